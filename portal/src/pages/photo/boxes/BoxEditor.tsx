import { VisuallyHidden } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";

import type { Schemas } from "@/api/client";
import { useMay } from "@/api/shared";
import { announce, announceError } from "@/components/announce";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { useTagKeys } from "../../images/tags/useTagKeys";
import { openKeys } from "../KeyTable";
import { type Photo, readImage } from "../useImage";
import { BoxCanvas } from "./BoxCanvas";
import styles from "./BoxEditor.module.css";
import { BoxList } from "./BoxList";
import type { Command } from "./commands";
import { EditorTools } from "./EditorTools";
import { type Point, at, toPixels } from "./geometry";
import { openOffers } from "./offers";
import { OfferList } from "./OfferList";
import type { Box } from "./plan";
import { SaveState } from "./SaveState";
import { knownBoxes, useBoxes } from "./stores";
import { TagChoice } from "./TagChoice";
import { useEditing } from "./useEditing";
import { useEditorKeys } from "./useEditorKeys";
import { type Source, useNewestIteration, useOffers } from "./useOffers";
import { useView } from "./useView";

const CLOSER = 1.4;
const FIRST_OFFERS = 12;

interface Props {
  project: string;
  photo: Photo;
  limits: Schemas["Info"]["limits"];
  tags: readonly Schemas["Tag"][];
  /** Whether the photo is shown as it was once. */
  isPast: boolean;
  /** The photo before, whose boxes can be copied. */
  before: string | null;
  onPrevious: () => void;
  onNext: () => void;
}

/** Boxes of a photo: drawn, moved, resized, tagged and deleted, saved as one goes. */
export default function BoxEditor(props: Props): React.JSX.Element {
  const { project, photo, limits } = props;
  const client = useQueryClient();
  const may = useMay();
  const mayDraw = may.write && !props.isPast;
  const element = useRef<HTMLDivElement>(null);
  const tagField = useRef<HTMLDivElement>(null);
  const isCoarse = useMediaQuery("(pointer: coarse)", false, { getInitialValueInEffect: false });
  const tags = useMemo(() => props.tags.filter((tag) => tag.type !== "Negative"), [props.tags]);
  const tagKeys = useTagKeys(project, tags).keys;
  const store = useBoxes(project, photo, limits);
  const editing = useEditing({ project, photo, store, tags, most: limits["regionsPerImage"] ?? 300 });
  const { selected } = editing;
  const boxes = props.isPast ? pastBoxes(photo) : editing.boxes;
  const looking = useView(photo, element);
  const [source, setSource] = useState<Source | null>(null);
  const [rounds, setRounds] = useState(1);
  const [pointed, setPointed] = useState<string | null>(null);
  const iteration = useNewestIteration(project);
  const offered = useOffers(project, photo, source, iteration?.id);
  const offersOf = (round: number) =>
    source ? openOffers(offered.data ?? [], boxes, round * FIRST_OFFERS, round === 1) : [];
  const offers = offersOf(rounds);
  const isMore = offersOf(rounds + 1).length > offers.length;

  const offer = (wanted: Source): void => {
    setSource(source === wanted ? null : wanted);
    setRounds(1);
  };
  const copy = async (): Promise<void> => {
    if (props.before === null) return;
    const other = await readImage(client, project, props.before);
    if (!other) return;
    const known = knownBoxes(other.id) ?? pastBoxes(other);
    const scaled = known.map((box) => ({
      ...box,
      ...toPixels(
        {
          left: box.left / other.width,
          top: box.top / other.height,
          width: box.width / other.width,
          height: box.height / other.height,
        },
        photo,
      ),
    }));
    const count = editing.copy(scaled);
    announce(count > 0 ? texts.photo.copied(count) : texts.photo.nothingToCopy);
  };
  const toTagField = (): void => {
    // After the next drawing, in which the field says whose tag it is.
    requestAnimationFrame(() => tagField.current?.querySelector("input")?.focus());
  };
  const afterDrawing = (tagId: string | null): void => {
    // Where there are tags, a key or a click chooses one; the first tag has to be typed.
    if (tagId === null && tags.length === 0) toTagField();
  };
  const click = (point: Point): void => {
    const hit = at([...boxes, ...offers], point);
    const accepted = offers.find((one) => one === hit);
    if (accepted) {
      editing.accept(accepted);
      afterDrawing(accepted.tagId ?? editing.tagOfNew);
    } else {
      editing.selectAt(point);
    }
  };
  const obey = (command: Command): void => {
    const [first] = offers;
    switch (command.name) {
      case "previous":
        return props.onPrevious();
      case "next":
        return props.onNext();
      case "zoom":
        return looking.zoom(command.closer ? CLOSER : 1 / CLOSER);
      case "fit":
        return looking.fit();
      case "help":
        return openKeys(texts.photo.keyList);
      case "release":
        return selected ? editing.select(null) : setSource(null);
    }
    if (!mayDraw) return;
    switch (command.name) {
      case "undo":
        return editing.undo();
      case "redo":
        return editing.redo();
      case "delete":
        return selected && editing.remove(selected.id);
      case "new":
        editing.drawInMiddle();
        return afterDrawing(editing.tagOfNew);
      case "copy":
        return void copy().catch(announceError);
      case "propose":
        return offer("proposals");
      case "suggest":
        return iteration && offer("suggestions");
      case "tag":
        return editing.tag(command.tagId);
      case "move":
      case "resize":
        return editing.nudge(command.by, command.fine, command.name === "resize");
      case "accept":
        if (!first) return;
        editing.accept(first);
        return afterDrawing(first.tagId ?? editing.tagOfNew);
    }
  };
  const pans = useEditorKeys(tagKeys, selected !== undefined, element, obey);
  return (
    <div className={styles["editor"]}>
      <div className={styles["main"]}>
        <EditorTools
          looking={looking}
          mayDraw={mayDraw}
          canUndo={store.canUndo}
          canRedo={store.canRedo}
          canCopy={props.before !== null}
          source={source}
          isLooking={offered.isFetching}
          iteration={iteration?.name}
          onCommand={obey}
        />
        <BoxCanvas
          photo={photo}
          boxes={boxes}
          offers={offers}
          pointed={pointed}
          selected={props.isPast ? undefined : selected}
          looking={looking}
          element={element}
          nameOf={editing.nameOf}
          mayDraw={mayDraw}
          pans={pans}
          isCoarse={isCoarse}
          onDraw={(rect) => {
            editing.draw(rect);
            afterDrawing(editing.tagOfNew);
          }}
          onClick={click}
          onChange={editing.change}
        />
      </div>
      <aside className={styles["side"]}>
        {mayDraw && <SaveState store={store} boxes={boxes} />}
        {mayDraw && (
          <div ref={tagField}>
            <TagChoice
              project={project}
              tags={tags}
              tagKeys={tagKeys}
              value={selected ? selected.tagId : editing.tagOfNew}
              isOfBox={selected !== undefined}
              onChange={(tagId) => {
                editing.tag(tagId);
                element.current?.focus({ preventScroll: true });
              }}
            />
          </div>
        )}
        {source !== null && (
          <>
            {offered.error && <ErrorNote error={offered.error} retry={() => void offered.refetch()} />}
            <OfferList
              offers={offers}
              isLooking={offered.isFetching}
              isMore={isMore}
              onPoint={setPointed}
              onAccept={(one) => {
                editing.accept(one);
                afterDrawing(one.tagId ?? editing.tagOfNew);
              }}
              onAll={() => editing.acceptAll(offers)}
              onMore={() => setRounds(rounds + 1)}
              onHide={() => setSource(null)}
            />
          </>
        )}
        <BoxList
          boxes={boxes}
          selected={selected?.id}
          nameOf={editing.nameOf}
          mayDraw={mayDraw}
          onSelect={editing.select}
          onDelete={editing.remove}
        />
      </aside>
      <VisuallyHidden role="status" aria-live="polite">
        {editing.said}
      </VisuallyHidden>
    </div>
  );
}

function pastBoxes(photo: Photo): Box[] {
  return (photo.regions ?? []).map((region) => ({
    id: region.regionId,
    tagId: region.tagId,
    ...toPixels(region, photo),
  }));
}
