import { Button, Group, Loader, Text, Title, UnstyledButton, VisuallyHidden } from "@mantine/core";

import { tagColour } from "@/components/tagColour";
import { texts } from "@/texts";

import styles from "./BoxEditor.module.css";
import type { Offer } from "./offers";
import { whereOf } from "./useEditing";

interface Props {
  offers: readonly Offer[];
  isLooking: boolean;
  isMore: boolean;
  /** A proposal has the focus or the pointer. */
  onPoint: (id: string | null) => void;
  onAccept: (offer: Offer) => void;
  onAll: () => void;
  onMore: () => void;
  onHide: () => void;
}

/** Boxes that the server offers. */
export function OfferList(props: Props): React.JSX.Element {
  const { offers, isLooking, onPoint } = props;
  return (
    <section aria-label={texts.photo.offers}>
      <Title order={2} size="h5" mb={4}>
        {texts.photo.offers}
      </Title>
      <div role="status">
        {isLooking && (
          <Group gap="xs">
            <Loader size="xs" aria-hidden />
            <Text size="sm">{texts.photo.looking}</Text>
          </Group>
        )}
        {!isLooking && (
          <Text size="sm" c="dimmed">
            {offers.length > 0 ? texts.photo.offersHint : texts.photo.nothingOffered}
          </Text>
        )}
      </div>
      <ul className={styles["list"]}>
        {offers.map((offer, place) => (
          <li key={offer.id} className={styles["row"]}>
            <UnstyledButton
              className={styles["box"]}
              onClick={() => props.onAccept(offer)}
              onFocus={() => onPoint(offer.id)}
              onBlur={() => onPoint(null)}
              onMouseEnter={() => onPoint(offer.id)}
              onMouseLeave={() => onPoint(null)}
            >
              <span
                className={styles["swatch"]}
                data-dashed
                style={{ color: offer.tagId ? tagColour(offer.tagId) : undefined }}
              />
              <Text size="sm" truncate>
                <VisuallyHidden>{texts.photo.offer(place + 1)}</VisuallyHidden>
                {offer.tagName && `${offer.tagName} `}
                {texts.common.percent(offer.probability)}
                <Text span size="xs" c="dimmed" ml={6}>
                  {whereOf(offer)}
                </Text>
              </Text>
            </UnstyledButton>
          </li>
        ))}
      </ul>
      <Group gap={6} mt={6}>
        {offers.length > 1 && (
          <Button size="compact-sm" variant="light" onClick={props.onAll}>
            {texts.photo.acceptAll(offers.length)}
          </Button>
        )}
        {props.isMore && (
          <Button size="compact-sm" variant="default" data-repeatable onClick={props.onMore}>
            {texts.photo.more}
          </Button>
        )}
        <Button size="compact-sm" variant="subtle" onClick={props.onHide}>
          {texts.photo.hideOffers}
        </Button>
      </Group>
    </section>
  );
}
