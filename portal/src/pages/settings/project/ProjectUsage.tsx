import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { OWN, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { UsageList } from "../UsageList";

/** What a project has, and may have. */
export function ProjectUsage({ projectId }: { projectId: string }): React.JSX.Element {
  const usage = useQuery({
    queryKey: [...keys.project(projectId), "usage"],
    queryFn: () => dataOf(api.GET(`${OWN}/projects/{project_id}/usage`, { params: { path: { project_id: projectId } } })),
  });
  const said = texts.settings.usage;
  if (!usage.data) {
    if (usage.error) return <ErrorNote error={usage.error} retry={() => void usage.refetch()} />;
    return <Loader size="xs" aria-label={texts.common.loading} />;
  }
  const { images, tags, regions, iterations, predictions, bytes } = usage.data;
  return (
    <UsageList
      label={said.title}
      shares={[
        [said.images, images],
        [said.tags, tags],
        ...(regions ? [[said.regions, regions] as const] : []),
        [said.iterations, iterations],
        [said.predictions, predictions],
      ]}
      others={[[said.bytes, said.megabytes(bytes.used)]]}
    />
  );
}
