import { Stack, Text, Title, UnstyledButton } from "@mantine/core";

import { type Kind, outcomeOf } from "@/components/outcome";
import { texts } from "@/texts";

import styles from "./QuickTest.module.css";
import type { Test } from "./visit";

interface Props {
  kind: Kind;
  tests: readonly Test[];
  shown: string;
  onShow: (id: string) => void;
}

/** The photos that were tested in this visit. */
export function TestHistory({ kind, tests, shown, onShow }: Props): React.JSX.Element {
  return (
    <Stack gap="xs">
      <Title order={2} size="h5">
        {texts.quickTest.history}
      </Title>
      <ul className={styles["history"]}>
        {tests.map((test) => {
          const outcome = outcomeOf(test.predictions, kind);
          return (
            <li key={test.id}>
              <UnstyledButton
                className={styles["past"]}
                aria-current={test.id === shown}
                aria-label={texts.quickTest.again(outcome)}
                onClick={() => onShow(test.id)}
              >
                {test.src ? <img src={test.src} alt="" /> : <span className={styles["unseen"]} />}
                <Text size="xs" truncate>
                  {outcome}
                </Text>
              </UnstyledButton>
            </li>
          );
        })}
      </ul>
    </Stack>
  );
}
