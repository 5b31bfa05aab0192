import { Text } from "@mantine/core";
import { modals } from "@mantine/modals";

import { texts } from "@/texts";

interface Question {
  title: string;
  /** What would be lost. */
  text: string;
  button?: string;
  confirmed: () => void;
}

/** Ask before something is lost. */
export function confirm({ title, text, button = texts.common.delete, confirmed }: Question): void {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm: button, cancel: texts.common.cancel },
    confirmProps: { color: "red" },
    onConfirm: confirmed,
  });
}
