import { Collapse, Group, Loader, Table, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconShieldCheck } from "@tabler/icons-react";
import { useId, useState } from "react";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import styles from "./exports.module.css";
import type { Form } from "./forms";
import { proofOf } from "./proof";
import { useProof } from "./useExports";

interface Props {
  project: string;
  iteration: string;
  form: Form;
}

/** That a file answers as the trained model does: in a sentence, and in figures on request. */
export function ProofNote({ project, iteration, form }: Props): React.JSX.Element {
  const said = texts.exports;
  const [opened, setOpened] = useState(false);
  const id = useId();
  const read = useProof(project, iteration, form);
  if (read.error) return <ErrorNote error={read.error} retry={() => void read.refetch()} />;
  if (!read.data) return <Loader size="xs" aria-label={texts.common.loading} />;
  const proof = proofOf(read.data);
  const Chevron = opened ? IconChevronUp : IconChevronDown;
  return (
    <div>
      <Group gap={6} wrap="nowrap" align="start">
        <IconShieldCheck size={18} className={styles["proven"]} aria-hidden />
        <Text size="sm">
          {proof.summary}
        </Text>
      </Group>
      <UnstyledButton
        className={styles["toggle"]}
        onClick={() => setOpened(!opened)}
        aria-expanded={opened}
        aria-controls={id}
      >
        <Text size="sm" span>
          {opened ? said.hideProof : said.showProof}
        </Text>
        <Chevron size={16} aria-hidden />
      </UnstyledButton>
      <Collapse expanded={opened} id={id}>
        <Table aria-label={said.proofOf(form.title)} withRowBorders={false} verticalSpacing={4} horizontalSpacing={0}>
          <Table.Tbody>
            {proof.facts.map(([label, value]) => (
              <Table.Tr key={label}>
                <Table.Th scope="row" className={styles["label"]}>
                  {label}
                </Table.Th>
                <Table.Td className={styles["value"]}>{value}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Collapse>
    </div>
  );
}
