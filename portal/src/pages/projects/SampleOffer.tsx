import { Button, Stack, Text } from "@mantine/core";
import { IconFlower } from "@tabler/icons-react";
import { useNavigate } from "react-router";

import { useDomains, useProject, useTags } from "@/api/shared";
import { announce } from "@/components/announce";
import { domainsOf } from "@/components/domains";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { useFill, useSampleProject } from "./useSample";

/** Offers a project with drawn photos to who has no project yet. */
export function SampleProjectOffer(): React.JSX.Element {
  const domain = domainsOf(useDomains().data ?? [], "Classification")[0];
  const go = useNavigate();
  const sample = useSampleProject(({ id, name }) => {
    if (isWaiting()) void go(`/projects/${id}/images`);
    else announce(texts.projects.sampleReady(name));
  });
  const make = (): void => {
    if (domain) sample.mutate(domain.id);
  };
  return (
    <Offer
      text={texts.projects.sampleText}
      make={make}
      isReady={domain !== undefined}
      isMaking={sample.isPending}
      error={sample.error}
    />
  );
}

/** Whether the person still looks at the list of projects, with no dialog over it. */
function isWaiting(): boolean {
  return window.location.pathname === "/" && document.querySelector("[role=dialog][aria-modal=true]") === null;
}

/** Offers drawn photos for the project of the page, if it has no tags that they would mix with. */
export function SampleOffer(): React.JSX.Element | null {
  const project = useProjectId();
  const tags = useTags(project).data;
  const isImporting = useProject(project).data?.status !== "Succeeded";
  const fill = useFill();
  if ((isImporting || tags?.length !== 0) && !fill.isPending && !fill.error) return null;
  const make = (): void =>
    fill.mutate(project, { onSuccess: ({ images }) => announce(texts.projects.sampleAdded(images)) });
  return (
    <Offer text={texts.projects.sampleHint} make={make} isReady isMaking={fill.isPending} error={fill.error} />
  );
}

interface OfferProps {
  text: string;
  make: () => void;
  isReady: boolean;
  isMaking: boolean;
  error: Error | null;
}

function Offer({ text, make, isReady, isMaking, error }: OfferProps): React.JSX.Element {
  const said = texts.projects;
  return (
    <Stack align="center" gap="xs">
      <Button
        variant="light"
        leftSection={<IconFlower size={16} aria-hidden />}
        onClick={make}
        loading={isMaking}
        disabled={!isReady}
      >
        {said.sample}
      </Button>
      <Text size="sm" c="dimmed" ta="center" role="status">
        {isMaking ? said.sampleMaking : text}
      </Text>
      {error && <ErrorNote error={error} retry={make} />}
    </Stack>
  );
}
