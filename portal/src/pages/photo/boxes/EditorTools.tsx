import { ActionIcon, Button, Group, Text, Tooltip } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowForwardUp,
  IconCopy,
  IconKeyboard,
  IconMaximize,
  IconSparkles,
  IconSquareDashed,
  IconSquarePlus,
  IconZoomIn,
  IconZoomOut,
} from "@tabler/icons-react";

import { texts } from "@/texts";

import type { Command } from "./commands";
import type { Source } from "./useOffers";
import type { Looking } from "./useView";

interface Props {
  looking: Looking;
  mayDraw: boolean;
  canUndo: boolean;
  canRedo: boolean;
  canCopy: boolean;
  source: Source | null;
  isLooking: boolean;
  /** The name of the newest iteration that can be asked. */
  iteration: string | undefined;
  onCommand: (command: Command) => void;
}

/** The editor's buttons; each has a key as well. */
export function EditorTools(props: Props): React.JSX.Element {
  const { looking, mayDraw, source, iteration, onCommand } = props;
  return (
    <Group gap={6} role="toolbar" aria-label={texts.photo.tools}>
      {mayDraw && (
        <>
          <Tool label={texts.photo.newBox} icon={IconSquarePlus} onUse={() => onCommand({ name: "new" })} />
          <Tool
            label={texts.photo.undo}
            icon={IconArrowBackUp}
            isOff={!props.canUndo}
            onUse={() => onCommand({ name: "undo" })}
          />
          <Tool
            label={texts.photo.redo}
            icon={IconArrowForwardUp}
            isOff={!props.canRedo}
            onUse={() => onCommand({ name: "redo" })}
          />
          <Tool
            label={texts.photo.copy}
            icon={IconCopy}
            isOff={!props.canCopy}
            onUse={() => onCommand({ name: "copy" })}
          />
          <Finder
            label={texts.photo.propose}
            icon={IconSquareDashed}
            isOn={source === "proposals"}
            isLooking={source === "proposals" && props.isLooking}
            onUse={() => onCommand({ name: "propose" })}
          />
          {iteration && (
            <Finder
              label={texts.photo.ask(iteration)}
              icon={IconSparkles}
              isOn={source === "suggestions"}
              isLooking={source === "suggestions" && props.isLooking}
              onUse={() => onCommand({ name: "suggest" })}
            />
          )}
        </>
      )}
      <Group gap={6} wrap="nowrap" ml="auto">
        <Tool
          label={texts.photo.zoomOut}
          icon={IconZoomOut}
          onUse={() => onCommand({ name: "zoom", closer: false })}
        />
        <Text size="sm" w={52} ta="center" aria-live="off">
          {texts.photo.zoom(looking.view.scale)}
        </Text>
        <Tool label={texts.photo.zoomIn} icon={IconZoomIn} onUse={() => onCommand({ name: "zoom", closer: true })} />
        <Tool label={texts.photo.fit} icon={IconMaximize} onUse={() => onCommand({ name: "fit" })} />
        <Tool label={texts.photo.keys} icon={IconKeyboard} onUse={() => onCommand({ name: "help" })} />
      </Group>
    </Group>
  );
}

type Icon = React.ComponentType<{ size: number; "aria-hidden": boolean }>;

interface FinderProps {
  label: string;
  icon: Icon;
  isOn: boolean;
  isLooking: boolean;
  onUse: () => void;
}

/** What looks for boxes: with its name where there is room. */
function Finder({ label, icon: Icon, isOn, isLooking, onUse }: FinderProps): React.JSX.Element {
  return (
    <Tooltip label={label}>
      <Button
        size="compact-md"
        h={34}
        px={8}
        maw={220}
        variant={isOn ? "light" : "default"}
        aria-pressed={isOn}
        aria-label={label}
        loading={isLooking}
        onClick={onUse}
      >
        <Icon size={18} aria-hidden />
        <Text span inherit size="sm" fw={600} ml={6} truncate visibleFrom="sm">
          {label}
        </Text>
      </Button>
    </Tooltip>
  );
}

interface ToolProps {
  label: string;
  icon: Icon;
  isOff?: boolean;
  onUse: () => void;
}

function Tool({ label, icon: Icon, isOff = false, onUse }: ToolProps): React.JSX.Element {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size={34} aria-label={label} disabled={isOff} onClick={onUse}>
        <Icon size={18} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
