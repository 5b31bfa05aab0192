import { Alert, Anchor, Button, Loader } from "@mantine/core";
import { Suspense, lazy, useMemo } from "react";
import { Link, useParams } from "react-router";

import { useIsDetection, useProject, useTags } from "@/api/shared";
import { EmptyNote } from "@/components/EmptyNote";
import { ErrorNote } from "@/components/ErrorNote";
import { useProjectId } from "@/components/useProjectId";
import { texts } from "@/texts";

import { useInfo } from "../images/useInfo";
import { PhotoBar } from "./PhotoBar";
import styles from "./PhotoPage.module.css";
import { TagView } from "./tagging/TagView";
import { useImage, usePrefetch } from "./useImage";
import { useSteps } from "./useSteps";

// Konva is loaded where boxes are drawn only.
const BoxEditor = lazy(() => import("./boxes/BoxEditor"));

/** One photo: its tags, or its boxes. */
export default function PhotoPage(): React.JSX.Element {
  const project = useProjectId();
  const { imageId = "" } = useParams();
  const info = useInfo();
  const tags = useTags(project);
  const isDetection = useIsDetection(project);
  const isMultilabel = useProject(project).data?.settings.classificationType === "Multilabel";
  const steps = useSteps(project, imageId);
  const { filter, way } = steps;
  const image = useImage(project, imageId, filter.iteration);
  usePrefetch(project, way.after, filter.iteration);
  const photo = image.data;
  const alt = useMemo(
    () => texts.photo.alt((photo?.tags ?? []).map(({ tagName }) => tagName).join(", ")),
    [photo],
  );
  const failed = [image, info, tags].find((query) => query.error && !query.data);
  if (failed) return <ErrorNote error={failed.error} retry={() => void failed.refetch()} />;
  if (photo === null) {
    return (
      <EmptyNote title={texts.photo.gone} text={texts.photo.goneText}>
        <Button onClick={steps.back}>{texts.photo.back}</Button>
      </EmptyNote>
    );
  }
  const isReady = photo && info.data && tags.data && isDetection !== undefined;
  const common = {
    project,
    isPast: filter.iteration !== null,
    onPrevious: steps.previous,
    onNext: steps.next,
  };
  return (
    <div className={styles["page"]}>
      <PhotoBar project={project} photo={photo} steps={steps} isPast={filter.iteration !== null} />
      {filter.iteration !== null && (
        <Alert p="xs" color="blue">
          {texts.photo.asOf}{" "}
          <Anchor component={Link} size="sm" to={`/projects/${project}/images/${imageId}`}>
            {texts.photo.toNow}
          </Anchor>
        </Alert>
      )}
      {!isReady && <Loader aria-label={texts.common.loading} />}
      {isReady && isDetection && (
        <Suspense fallback={<Loader aria-label={texts.common.loading} />}>
          <BoxEditor
            key={`${photo.id} ${filter.iteration}`}
            {...common}
            photo={photo}
            limits={info.data.limits}
            tags={tags.data}
            before={way.before}
          />
        </Suspense>
      )}
      {isReady && !isDetection && (
        <TagView
          key={`${photo.id} ${filter.iteration}`}
          {...common}
          photo={photo}
          alt={alt}
          limits={info.data.limits}
          tags={tags.data}
          single={!isMultilabel}
          movesOn={filter.show === "untagged"}
          onBack={steps.back}
          onDelete={steps.remove}
        />
      )}
    </div>
  );
}
