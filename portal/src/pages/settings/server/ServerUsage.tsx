import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { OWN, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { UsageList } from "../UsageList";

/** What all projects have together, and may have. */
export function ServerUsage(): React.JSX.Element {
  const usage = useQuery({ queryKey: [...keys.info, "usage"], queryFn: () => dataOf(api.GET(`${OWN}/usage`)) });
  const said = texts.settings.usage;
  if (!usage.data) {
    if (usage.error) return <ErrorNote error={usage.error} retry={() => void usage.refetch()} />;
    return <Loader size="xs" aria-label={texts.common.loading} />;
  }
  const { projects, images, iterations, predictions, bytes, freeBytes } = usage.data;
  return (
    <UsageList
      label={said.title}
      shares={[
        [said.projects, projects],
        [said.images, images],
        [said.iterations, iterations],
        [said.predictions, predictions],
      ]}
      others={[
        [said.keys, texts.common.number(usage.data.keys)],
        [said.bytes, said.megabytes(bytes.used)],
        ...(freeBytes === null || freeBytes === undefined ? [] : [[said.free, said.megabytes(freeBytes)] as const]),
      ]}
    />
  );
}
