import { ActionIcon, Group, TextInput, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";

import { texts } from "@/texts";

import styles from "./Copyable.module.css";

interface Props {
  label: string;
  text: string;
}

/** Lines of code with a button that copies them. */
export function Copyable({ label, text }: Props): React.JSX.Element {
  return (
    <div className={styles["block"]}>
      <pre className={styles["code"]} role="region" aria-label={label} tabIndex={0}>
        {text}
      </pre>
      <div className={styles["button"]}>
        <Copy label={label} text={text} />
      </div>
    </div>
  );
}

/** One line, such as an address or a key, with a button that copies it. */
export function CopyableLine({ label, text }: Props): React.JSX.Element {
  return (
    <Group gap="xs" align="end" wrap="nowrap">
      <TextInput
        label={label}
        value={text}
        readOnly
        style={{ flex: 1 }}
        onFocus={(event) => event.currentTarget.select()}
      />
      <Copy label={label} text={text} />
    </Group>
  );
}

function Copy({ label, text }: Props): React.JSX.Element {
  const clipboard = useClipboard({ timeout: 1500 });
  const said = clipboard.copied ? texts.publish.copied : texts.publish.copy(label);
  return (
    <Tooltip label={said}>
      <ActionIcon variant="default" size="lg" aria-label={said} onClick={() => clipboard.copy(text)}>
        {clipboard.copied ? <IconCheck size={18} aria-hidden /> : <IconCopy size={18} aria-hidden />}
      </ActionIcon>
    </Tooltip>
  );
}
