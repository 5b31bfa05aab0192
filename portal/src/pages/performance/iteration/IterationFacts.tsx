import { Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { useDomains } from "@/api/shared";
import { texts } from "@/texts";

import styles from "../Performance.module.css";

interface Props {
  iteration: Schemas["Iteration"];
  /** Photos that were judged, and folds. */
  judged: { images: number; folds: number } | null;
}

/** When, how and from what an iteration was trained. */
export function IterationFacts({ iteration, judged }: Props): React.JSX.Element {
  const said = texts.performance;
  const { trainedAt, created, domainId, trainingType, reservedBudgetInHours, publishName } = iteration;
  const domain = useDomains().data?.find(({ id }) => id === domainId)?.name;
  const facts: [string, string | undefined][] = [
    trainedAt ? [said.trainedAt, texts.common.date(trainedAt)] : [said.startedAt, texts.common.date(created)],
    [said.published, publishName ?? said.notPublished],
    [said.domain, domain],
    [said.trainingType, texts.training.how(trainingType === "Advanced", reservedBudgetInHours)],
    [said.duration, trainedAt ? texts.training.minutes(iteration.trainingTimeInMinutes) : undefined],
    [said.photosJudged, judged ? said.judged(judged.images, judged.folds) : undefined],
  ];
  return (
    <dl className={styles["facts"]} aria-label={said.facts}>
      {facts.map(([name, value]) =>
        value ? (
          <div key={name}>
            <Text component="dt" size="xs" c="dimmed">
              {name}
            </Text>
            <Text component="dd" size="sm" m={0}>
              {value}
            </Text>
          </div>
        ) : null,
      )}
    </dl>
  );
}
