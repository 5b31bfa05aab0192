import { ActionIcon, Alert, Box, Button, Drawer, Group } from "@mantine/core";
import { useDisclosure, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconKeyboard, IconTags } from "@tabler/icons-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";

import type { Schemas } from "@/api/client";
import { useIterations, useMay } from "@/api/shared";
import { announce, announceError } from "@/components/announce";
import { confirm } from "@/components/confirm";
import { ErrorNote } from "@/components/ErrorNote";
import { PhotoGrid } from "@/components/PhotoGrid";
import { texts } from "@/texts";

import { FilterBar } from "./FilterBar";
import { EVERYTHING, type Filter, addressOf } from "./grid/filter";
import { useMistakes } from "./grid/useMistakes";
import { type Photo, usePhotos } from "./grid/usePhotos";
import { type PhotoPlace, placeIn } from "./grid/photoPlace";
import { useSelection } from "./grid/useSelection";
import { GridFooter } from "./GridFooter";
import styles from "./ImagesPage.module.css";
import { openKeysHelp } from "./KeysHelp";
import { useLabels } from "./labelling/useLabels";
import { Nothing } from "./Nothing";
import { PhotoTags } from "./PhotoTags";
import { SelectionBar } from "./SelectionBar";
import { goalsOf } from "./tags/goals";
import { tagOfKey } from "./tags/tagKeys";
import { TagsPanel } from "./tags/TagsPanel";
import { useTagKeys } from "./tags/useTagKeys";
import { UndoButtons } from "./UndoButtons";
import { AddPhotos } from "./upload/AddPhotos";
import { UploadProgress } from "./upload/UploadProgress";
import { useUploads } from "./upload/useUploads";
import { useActions } from "./useActions";
import { isGridFocused, usePageKeys } from "./usePageKeys";

const SIZE = 150;
const CLOSE = { "aria-label": texts.common.close };
const NO_TAGS: readonly Schemas["Tag"][] = [];

interface Props {
  project: string;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  limits: Schemas["Info"]["limits"];
  tags: readonly Schemas["Tag"][];
  /** Whether photos get their tags by boxes. */
  detects: boolean;
  /** Whether a photo has one tag at most. */
  single: boolean;
}

export function Gallery({ project, filter, onFilter, limits, tags, detects, single }: Props): React.JSX.Element {
  const may = useMay();
  const go = useNavigate();
  const isWide = useMediaQuery("(min-width: 62em)", true, { getInitialValueInEffect: false });
  const [size, setSize] = useLocalStorage({ key: "dahlia.photo-size", defaultValue: SIZE });
  const [isPanelOpen, panel] = useDisclosure(false);
  const [returned] = useState(placeIn(useLocation().state));
  const [focused, setFocused] = useState(returned ?? 0);
  const labels = useLabels(project, limits);
  const uploads = useUploads(project, limits);
  const photos = usePhotos(project, filter, labels, isGridFocused);
  const chosen = useSelection(photos);
  const { selection, clear } = chosen;
  const negative = tags.find((tag) => tag.type === "Negative")?.id ?? null;
  const rules = useMemo(() => ({ single, negative }), [single, negative]);
  const actions = useActions({ project, filter, photos, labels, rules, tags, known: chosen.known, selection });
  const tagKeys = useTagKeys(project, detects ? NO_TAGS : tags);
  const names = useMemo(() => new Map(tags.map((tag) => [tag.id, tag.name])), [tags]);
  const past = useIterations(project).data?.find(({ id }) => id === filter.iteration);
  const isMulticlass = past ? past.classificationType === "Multiclass" : single;
  const mistakes = useMistakes(project, filter, detects ? "detection" : isMulticlass ? "multiclass" : "multilabel");
  const isNow = filter.iteration === null;
  const mayTag = may.write && isNow && !detects;
  const mayChange = may.write && isNow;
  const isSelecting = actions.count > 0 && mayChange;
  const name = addressOf(filter).toString();
  const [firstName] = useState(name);
  const shownName = useRef(name);
  useEffect(() => {
    if (shownName.current === name) return;
    shownName.current = name;
    setFocused(0);
    clear();
    labels.tidy();
  }, [name, clear, labels]);
  const count = photos.count ?? 0;
  const place = Math.min(focused, Math.max(0, count - 1));

  const undo = useCallback(
    (again: boolean) => {
      const step = again ? labels.redo() : labels.undo();
      if (step && !again) announce(texts.images.undone(step.label));
    },
    [labels],
  );
  usePageKeys(mayTag ? undo : null);

  const open = (at: number): void => {
    const state = { place: at } satisfies PhotoPlace;
    const show = (photo: Photo | undefined): void => {
      if (photo) void go({ pathname: `/projects/${project}/images/${photo.id}`, search: name }, { state });
    };
    const photo = photos.photoAt(at);
    if (photo) show(photo);
    else void photos.range(at, at).then(([found]) => show(found), announceError); // a key comes before its photo
  };
  const askToDelete = (photo: Photo | undefined): void => {
    const amount = actions.count || Number(photo !== undefined);
    if (amount === 0) return;
    confirm({
      title: texts.images.deleteTitle(amount),
      text: texts.images.deleteText(amount, actions.taggedAmong(photo)),
      confirmed: () =>
        actions.remove(photo, {
          onSuccess: (deleted) => {
            clear();
            announce(texts.images.deleted(deleted));
          },
        }),
    });
  };
  const onKey = (event: React.KeyboardEvent, at: number): void => {
    const photo = photos.photoAt(at);
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "a" || !mayChange) return;
      event.preventDefault();
      return chosen.all();
    }
    if (event.altKey) return;
    if (event.key === "Escape") clear();
    if ((event.key === "Delete" || event.key === "Backspace") && mayChange) askToDelete(photo);
    if (!mayTag) return;
    if (event.key.toLowerCase() === "u") actions.takeAll(photo);
    const tagId = tagOfKey(tagKeys.keys, event.key);
    if (!tagId) return;
    event.preventDefault();
    actions.toggle(tagId)(photo);
    if (filter.show === "untagged" && actions.count === 0 && photo && place < count - 1) setFocused(place + 1);
  };

  const tagNames = (photo: Photo): (readonly [string, string])[] =>
    [...labels.tagsOf({ ...photo, tags: photo.tags ?? [] })].map((id) => [
      id,
      names.get(id) ?? photo.tags?.find((tag) => tag.tagId === id)?.tagName ?? "…",
    ]);
  const goals = goalsOf((detects ? limits["minBoxedImagesPerTag"] : limits["minImagesPerTag"]) ?? 5);
  const tagsPanel = (
    <TagsPanel
      project={project}
      isTitled={isWide}
      tags={tags}
      goals={goals}
      detects={detects}
      tagKeys={tagKeys.keys}
      onKey={tagKeys.assign}
      shown={filter.tagIds}
      onShow={(tagId) => {
        const tagIds = filter.tagIds.includes(tagId) ? [] : [tagId];
        onFilter({ ...filter, tagIds, show: tagIds.length > 0 ? "tagged" : "all" });
        panel.close();
      }}
      onGone={(tagId) => {
        labels.forgetTag(tagId);
        if (filter.tagIds.includes(tagId)) onFilter({ ...filter, tagIds: [], show: "all" });
        photos.renew();
      }}
    />
  );
  return (
    <div className={styles["page"]}>
      <div className={styles["main"]}>
        {isSelecting && (
          <SelectionBar
            project={project}
            actions={actions}
            total={count}
            tags={tags}
            taggable={mayTag}
            onAll={chosen.all}
            onNone={clear}
            onDelete={() => askToDelete(undefined)}
          >
            {mayTag && <UndoButtons stack={labels.undoStack} onUndo={undo} size={28} />}
          </SelectionBar>
        )}
        <Group gap="xs" justify="space-between" align="end" display={isSelecting ? "none" : undefined}>
          <FilterBar project={project} filter={filter} onFilter={onFilter} />
          <Group gap={4} wrap="nowrap">
            {may.write && (
              <AddPhotos
                project={project}
                queue={uploads}
                limits={limits}
                tags={tags}
                taggable={!detects}
                single={single}
              />
            )}
            {mayTag && <UndoButtons stack={labels.undoStack} onUndo={undo} />}
            <ActionIcon
              variant="default"
              size={36}
              visibleFrom="xs"
              aria-label={texts.images.keysButton}
              onClick={openKeysHelp}
            >
              <IconKeyboard size={18} aria-hidden />
            </ActionIcon>
            {!isWide && (
              <Button variant="default" px={9} aria-label={texts.images.tagPanel} onClick={panel.open}>
                <IconTags size={18} aria-hidden />
                <Box component="span" visibleFrom="xs" ml={6}>
                  {texts.images.tagPanel}
                </Box>
              </Button>
            )}
          </Group>
        </Group>
        <UploadProgress project={project} queue={uploads} />
        {!isNow && (
          <Alert p="xs" color="blue">
            {texts.images.asOf}{" "}
            {mistakes.judged > 0 && texts.images.mistaken(mistakes.wrong.size, mistakes.judged, mistakes.isComplete)}
          </Alert>
        )}
        {photos.error !== null && <ErrorNote error={photos.error} retry={photos.retry} />}
        <div className={styles["grid"]}>
          {photos.count === 0 ? (
            <Nothing filter={filter} mayWrite={may.write} onAll={() => onFilter(EVERYTHING)} />
          ) : (
            <PhotoGrid
              key={name}
              label={texts.images.grid}
              count={count}
              photoAt={(at) => {
                const photo = photos.photoAt(at);
                if (!photo) return undefined;
                const label = tagNames(photo).map(([, tag]) => tag);
                return { ...photo, label: label.join(", "), wrong: mistakes.wrong.has(photo.id) };
              }}
              size={size}
              height="100%"
              selected={chosen.view}
              isSelecting={isSelecting}
              focused={place}
              startsFocused={returned !== null && name === firstName}
              onFocus={setFocused}
              onPick={mayChange ? (at, keys, tick) => chosen.pick(at, keys, tick, place) : undefined}
              onOpen={open}
              onKey={onKey}
              onSeen={photos.onSeen}
              over={(photo) => <PhotoTags tags={tagNames(photo)} />}
            />
          )}
        </div>
        <GridFooter
          photos={photos}
          open={labels.open}
          size={size}
          onSize={setSize}
          onRenew={() => setFocused(Math.max(0, place - photos.renew(place)))}
        />
      </div>
      {isWide ? (
        <aside className={styles["side"]}>{tagsPanel}</aside>
      ) : (
        <Drawer
          opened={isPanelOpen}
          onClose={panel.close}
          position="right"
          title={texts.images.tagPanel}
          closeButtonProps={CLOSE}
        >
          {tagsPanel}
        </Drawer>
      )}
    </div>
  );
}
