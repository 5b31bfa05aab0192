import { Button } from "@mantine/core";

import { EmptyNote } from "@/components/EmptyNote";
import { SampleOffer } from "@/pages/projects/SampleOffer";
import { texts } from "@/texts";

import type { Filter } from "./grid/filter";

interface Props {
  filter: Filter;
  mayWrite: boolean;
  onAll: () => void;
}

/** Instead of a grid without photos. */
export function Nothing({ filter, mayWrite, onAll }: Props): React.JSX.Element {
  const isAll = filter.show === "all" && filter.tagIds.length === 0;
  if (isAll) {
    return (
      <EmptyNote
        title={texts.images.empty}
        text={mayWrite ? texts.images.emptyText : texts.images.emptyReadOnly}
      >
        {mayWrite && <SampleOffer />}
      </EmptyNote>
    );
  }
  const isDone = filter.show === "untagged";
  return (
    <EmptyNote
      title={isDone ? texts.images.nothingUntagged : texts.images.noneFound}
      text={isDone ? undefined : texts.images.noneFoundText}
    >
      <Button variant="light" onClick={onAll}>
        {texts.images.showAll}
      </Button>
    </EmptyNote>
  );
}
