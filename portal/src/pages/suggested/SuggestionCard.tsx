import { ActionIcon, Text } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";

import { texts } from "@/texts";

import styles from "./Suggested.module.css";
import type { Prediction, Suggestion } from "./suggestions";

interface Props {
  suggestion: Suggestion;
  /** Those that the photo gets. */
  tags: readonly Prediction[];
  isTicked: boolean;
  mayWrite: boolean;
  onTick: (on: boolean) => void;
  onConfirm: () => void;
  onReject: () => void;
}

/** A photo with the tags that are suggested for it. */
export function SuggestionCard(props: Props): React.JSX.Element {
  const { suggestion, tags, isTicked, mayWrite } = props;
  const said = tags.map(({ tagName, probability }) => texts.suggested.tagWithShare(tagName, probability)).join(", ");
  const names = tags.map(({ tagName }) => tagName).join(", ");
  return (
    <li className={styles["card"]} data-ticked={isTicked || undefined}>
      <label className={styles["pick"]}>
        <img className={styles["photo"]} src={suggestion.thumbnailUri} alt={texts.suggested.photo(said)} loading="lazy" />
        {mayWrite && (
          <input
            className={styles["tick"]}
            type="checkbox"
            checked={isTicked}
            aria-label={texts.suggested.select(said)}
            onChange={(event) => props.onTick(event.currentTarget.checked)}
          />
        )}
      </label>
      <div className={styles["foot"]}>
        <Text size="xs" className={styles["said"]} title={said}>
          {said}
        </Text>
        {mayWrite && (
          <>
            <ActionIcon
              size={28}
              variant="light"
              color="teal"
              aria-label={texts.suggested.confirm(names)}
              title={texts.suggested.confirm(names)}
              onClick={props.onConfirm}
            >
              <IconCheck size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon
              size={28}
              variant="light"
              color="gray"
              aria-label={texts.suggested.reject}
              title={texts.suggested.reject}
              onClick={props.onReject}
            >
              <IconX size={16} aria-hidden />
            </ActionIcon>
          </>
        )}
      </div>
    </li>
  );
}
