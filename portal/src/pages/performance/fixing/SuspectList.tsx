import { Text } from "@mantine/core";
import { useRef } from "react";

import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { PhotoCards } from "../photos/PhotoCards";
import { Section } from "../Section";

interface Props<T> {
  title: string;
  note: string;
  /** All that the training found. */
  all: readonly T[];
  /** What is left to do; undefined while it is not known. */
  open: readonly T[] | undefined;
  error: Error | null;
  retry: () => void;
  /** A card; `done` is called when it is dealt with. */
  card: (item: T, done: () => void) => React.ReactNode;
}

/** What is likely wrong; what is dealt with disappears. */
export function SuspectList<T>({ title, note, all, open, error, retry, card }: Props<T>): React.JSX.Element {
  const said = texts.performance;
  const left = useRef<HTMLParagraphElement>(null);
  const dealt = open ? all.length - open.length : 0;
  return (
    <Section title={title} note={all.length > 0 ? note : undefined}>
      {error && <ErrorNote error={error} retry={retry} />}
      {all.length === 0 && <Text size="sm">{said.noneWrong}</Text>}
      {open && all.length > 0 && (
        <Text size="sm" fw={500} role="status" tabIndex={-1} ref={left}>
          {open.length === 0 ? said.allFixed : said.leftToCheck(open.length, dealt)}
        </Text>
      )}
      {/* The focus was on a card that disappears. */}
      {open && open.length > 0 && (
        <PhotoCards label={title} items={open} card={(item) => card(item, () => left.current?.focus())} />
      )}
    </Section>
  );
}
