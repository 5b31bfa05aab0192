import { Anchor, Button, Loader, Stack, Text } from "@mantine/core";
import { Link, useSearchParams } from "react-router";

import type { Schemas } from "@/api/client";
import { isTrained, useIsDetection, useIterations, useProject } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { Balance } from "./compare/Balance";
import { ComparedPhotos } from "./compare/ComparedPhotos";
import { FiguresTable } from "./compare/FiguresTable";
import { IterationPair } from "./compare/IterationPair";
import { useComparison } from "./compare/useComparison";
import { Section } from "./Section";
import { ShareSlider } from "./threshold/ShareSlider";
import { useSetting } from "./threshold/useSetting";

const THRESHOLD = 0.5;
const OVERLAP = 0.3;

/** Two iterations side by side, photo by photo. */
export default function ComparePage(): React.JSX.Element {
  const project = useProjectId();
  const said = texts.compare;
  const [address, setAddress] = useSearchParams();
  const iterations = useIterations(project);
  const isDetection = useIsDetection(project);
  if (iterations.error && !iterations.data) {
    return <ErrorNote error={iterations.error} retry={() => void iterations.refetch()} />;
  }
  if (!iterations.data || isDetection === undefined) return <Loader role="status" aria-label={texts.common.loading} />;
  const trained = iterations.data.filter(isTrained);
  const one = trained.find(({ id }) => id === address.get("iteration")) ?? trained[0];
  const others = trained.filter(({ id }) => id !== one?.id);
  const next = others[Math.min(one ? trained.indexOf(one) : 0, others.length - 1)];
  const other = others.find(({ id }) => id === address.get("with")) ?? next;
  if (!one || !other) {
    return (
      <EmptyNote title={said.needTwo} text={said.needTwoText}>
        <Button component={Link} to={`/projects/${project}/train`}>
          {texts.performance.train}
        </Button>
      </EmptyNote>
    );
  }
  return (
    <Stack maw={1320} mx="auto">
      <Anchor component={Link} to={`/projects/${project}/performance/${one.id}`} size="sm">
        {said.back}
      </Anchor>
      <IterationPair
        iterations={trained}
        one={one.id}
        other={other.id}
        onChange={(iteration, against) => setAddress({ iteration, with: against }, { replace: true })}
      />
      <Compared project={project} one={one} other={other} isDetection={isDetection} />
    </Stack>
  );
}

interface Props {
  project: string;
  one: Schemas["Iteration"];
  other: Schemas["Iteration"];
  isDetection: boolean;
}

function Compared({ project, one, other, isDetection }: Props): React.JSX.Element {
  const said = texts.compare;
  const { setting, asked, setThreshold, setOverlap } = useSetting({
    threshold: THRESHOLD,
    overlap: isDetection ? OVERLAP : null,
  });
  const { data, error, isPending, refetch } = useComparison(project, one.id, other.id, asked);
  // With one tag for each photo the most probable one counts, whatever the threshold.
  const countsByThreshold = useProject(project).data?.settings.classificationType !== "Multiclass";
  const names = { name: one.name, otherName: other.name };
  const shared = { project, isDetection, ...names };
  const sliders = (
    <>
      <ShareSlider
        label={texts.performance.threshold}
        hint={texts.performance.thresholdHint}
        value={setting.threshold}
        onChange={setThreshold}
        marks={[]}
      />
      {setting.overlap !== null && (
        <ShareSlider
          label={texts.performance.overlap}
          hint={texts.performance.overlapHint}
          value={setting.overlap}
          onChange={setOverlap}
          marks={[]}
        />
      )}
    </>
  );
  return (
    <>
      {error && <ErrorNote error={error} retry={() => void refetch()} />}
      {isPending && <Loader role="status" aria-label={texts.common.loading} />}
      {data && !data.figures && <EmptyNote title={said.noneInCommon} />}
      {data?.figures && (
        <>
          <Section title={said.balance} note={`${said.judgedByBoth(data.images)} ${said.rule(other.name, one.name)}`}>
            <Balance comparison={data} {...names} />
            {countsByThreshold && sliders}
          </Section>
          <Section title={said.figures}>
            <FiguresTable figures={data.figures} {...names} />
            {!countsByThreshold && sliders}
          </Section>
          <ComparedPhotos
            {...shared}
            title={said.won}
            note={said.wonText(one.name, other.name)}
            none={said.nothingWon}
            photos={data.won}
            count={data.wonCount}
          />
          <ComparedPhotos
            {...shared}
            title={said.lost}
            note={said.lostText(one.name, other.name)}
            none={said.nothingLost}
            photos={data.lost}
            count={data.lostCount}
          />
          {isDetection && (
            <Text size="xs" c="dimmed">
              {said.legend}
            </Text>
          )}
        </>
      )}
    </>
  );
}
