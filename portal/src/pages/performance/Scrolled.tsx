import { Table } from "@mantine/core";

interface Props {
  label: string;
  minWidth: number;
  maxHeight?: number;
  children: React.ReactNode;
}

/** What is wider than a phone scrolls by itself, by keys too. */
export function Scrolled({ label, minWidth, maxHeight, children }: Props): React.JSX.Element {
  return (
    <Table.ScrollContainer
      minWidth={minWidth}
      {...(maxHeight === undefined ? {} : { maxHeight })}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "group", "aria-label": label } }}
    >
      {children}
    </Table.ScrollContainer>
  );
}
