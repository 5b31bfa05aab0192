import { Anchor, Badge, Checkbox, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "@/api/client";
import { progressOf } from "@/pages/images/tags/goals";
import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import { type Rules, isLearnable } from "./plan";
import styles from "./training.module.css";

type Tag = Schemas["Tag"];

interface Props {
  project: string;
  tags: readonly Tag[];
  rules: Rules;
  leftOut: ReadonlySet<string>;
  onLeaveOut: (tagIds: ReadonlySet<string>) => void;
  /** Photos that no training uses, as they have no tag. */
  untagged: number;
}

/** The tags with what a training has of each; those that are not wanted can be left out. */
export function TagsToTrain({ project, tags, rules, leftOut, onLeaveOut, untagged }: Props): React.JSX.Element {
  const sorted = [...tags].sort(
    (one, other) =>
      Number(one.type === "Negative") - Number(other.type === "Negative") || one.name.localeCompare(other.name),
  );
  const toggle = (tag: Tag): void => {
    const changed = new Set(leftOut);
    if (!changed.delete(tag.id)) changed.add(tag.id);
    onLeaveOut(changed);
  };
  return (
    <Stack gap={4} component="fieldset" className={styles["fieldset"]}>
      <Text component="legend" size="sm" fw={600}>
        {texts.training.tags}
      </Text>
      <Text size="xs" c="dimmed">
        {texts.training.tagsHint}
      </Text>
      <ul className={styles["list"]}>
        {sorted.map((tag) => (
          <li key={tag.id} className={styles["tag"]}>
            <TagLine
              tag={tag}
              rules={rules}
              checked={isLearnable(tag, rules) && !leftOut.has(tag.id)}
              onToggle={() => toggle(tag)}
            />
          </li>
        ))}
      </ul>
      {untagged > 0 && (
        <Text size="sm" c="dimmed">
          {texts.training.untagged(untagged, rules.detects)}{" "}
          <Anchor component={Link} to={`/projects/${project}/images?show=untagged`} size="sm" underline="always">
            {texts.training.seeUntagged}
          </Anchor>
        </Text>
      )}
    </Stack>
  );
}

interface LineProps {
  tag: Tag;
  rules: Rules;
  checked: boolean;
  onToggle: () => void;
}

function TagLine({ tag, rules, checked, onToggle }: LineProps): React.JSX.Element {
  const learnable = isLearnable(tag, rules);
  return (
    <Group gap="sm" wrap="nowrap" align="start">
      <Checkbox
        checked={checked}
        disabled={!learnable}
        onChange={onToggle}
        aria-label={texts.training.include(tag.name)}
        mt={1}
      />
      <div className={styles["words"]}>
        <Group gap={6} wrap="nowrap">
          <span className={styles["colour"]} style={{ background: tagColour(tag.id) }} />
          <Text size="sm" fw={500} truncate title={tag.name}>
            {tag.name}
          </Text>
          {tag.type === "Negative" && (
            <Badge size="xs" color="gray" variant="light">
              {texts.training.negative}
            </Badge>
          )}
          <Text size="sm" c="dimmed" className={styles["count"]}>
            {texts.training.photos(tag.imageCount)}
          </Text>
        </Group>
        <Advice tag={tag} rules={rules} checked={checked} />
      </div>
    </Group>
  );
}

function Advice({ tag, rules, checked }: Omit<LineProps, "onToggle">): React.JSX.Element | null {
  const said = texts.training;
  if (!isLearnable(tag, rules)) {
    return (
      <Text size="xs" c="dimmed">
        {tag.imageCount === 0 ? said.empty : said.unlearnable}
      </Text>
    );
  }
  const { level, goal, missing } = progressOf(tag.imageCount, rules.goals);
  if (!checked || goal === null) return null;
  if (level === "none") {
    return (
      <Text size="xs" className={styles["lacks"]} fw={500}>
        {said.missing(missing)}
      </Text>
    );
  }
  return (
    <Text size="xs" c="dimmed">
      {said.enough(missing, goal, level === "least" ? texts.images.goals.fair : texts.images.goals.good)}
    </Text>
  );
}
