import { Table, Text } from "@mantine/core";

import type { Schemas } from "@/api/client";
import { texts } from "@/texts";

import { Scrolled } from "../Scrolled";
import { Section } from "../Section";
import { Growth } from "./lazy";

const rounded = (value: number): string => texts.common.number(Math.round(value));

/** Whether more photos would help a classifier. */
export function LearningSection({ learning }: { learning: Schemas["Learning"] }): React.JSX.Element {
  const said = texts.performance;
  const { sentences, whole, tags } = learning;
  return (
    <Section title={said.learning} note={sentences.map(said.sentence).join(" ")}>
      <Growth
        points={whole.points.map(({ images, value, low, high }) => ({ x: images, y: value, low, high }))}
        xName={said.learnedFrom}
        yName={said.learnedRight}
        xText={rounded}
        rangeName={said.foldsRange}
        fromZero
      />
      {tags.length > 1 && (
        <Scrolled label={said.learningGain} minWidth={280} maxHeight={260}>
          <Table verticalSpacing={4} aria-label={said.learningGain}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{said.tag}</Table.Th>
                <Table.Th>{said.learningGain}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {tags.map(({ tag, gain, gainLow, gainHigh }) => (
                <Table.Tr key={tag}>
                  <Table.Td>{tag}</Table.Td>
                  <Table.Td>{gain === null ? said.tooFew : said.gain(gain, gainLow, gainHigh)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Scrolled>
      )}
    </Section>
  );
}

/** Whether more photos would help a detector. */
export function BoxLearningSection({ learning }: { learning: Schemas["BoxLearning"] }): React.JSX.Element {
  const said = texts.performance;
  return (
    <Section title={said.learning} note={said.sentence(learning.sentence)}>
      <Growth
        points={learning.points.map(({ images, map50 }) => ({ x: images, y: map50 }))}
        xName={said.learnedFrom}
        yName={said.learnedMap}
        xText={rounded}
        fromZero
      />
    </Section>
  );
}

/** How exact a detector's boxes are. */
export function OverlapSection({ byOverlap }: { byOverlap: readonly Schemas["ByOverlap"][] }): React.JSX.Element | null {
  const said = texts.performance;
  const points = byOverlap.flatMap(({ overlap, map }) => (map === null ? [] : [{ x: overlap, y: map }]));
  if (points.length === 0) return null;
  return (
    <Section title={said.byOverlap} note={said.byOverlapNote}>
      <Growth
        points={points}
        xName={said.overlapAsked}
        yName={said.meanAveragePrecision}
        xText={(overlap) => texts.common.percent(overlap)}
        fromZero={false}
      />
      <Text size="xs" c="dimmed">
        {said.cocoNote}
      </Text>
    </Section>
  );
}
