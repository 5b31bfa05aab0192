import { useMemo } from "react";
import { useSearchParams } from "react-router";

import { useIsDetection, useProject, useTags } from "@/api/shared";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";

import { addressOf, filterOf } from "./grid/filter";
import { Gallery } from "./Gallery";
import { useInfo } from "./useInfo";

/** The photos of a project: adding, finding, tagging and deleting them. */
export default function ImagesPage(): React.JSX.Element | null {
  const project = useProjectId();
  const [address, setAddress] = useSearchParams();
  const search = address.toString();
  const filter = useMemo(() => filterOf(new URLSearchParams(search)), [search]);
  const info = useInfo();
  const tags = useTags(project);
  const summary = useProject(project);
  const detects = useIsDetection(project);
  const failed = [info, tags].find((query) => query.error && !query.data);
  if (failed) return <ErrorNote error={failed.error} retry={() => void failed.refetch()} />;
  if (!info.data || !tags.data || !summary.data || detects === undefined) return null;
  return (
    <Gallery
      key={project}
      project={project}
      filter={filter}
      onFilter={(changed) => setAddress(addressOf(changed))}
      limits={info.data.limits}
      tags={tags.data}
      detects={detects}
      single={summary.data.settings.classificationType === "Multiclass"}
    />
  );
}
