import { type CSSVariablesResolver, Loader, Menu, Modal, createTheme } from "@mantine/core";

import { texts } from "@/texts";

export const theme = createTheme({
  primaryColor: "pink",
  primaryShade: { light: 7, dark: 8 },
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  headings: { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Loader: Loader.extend({ defaultProps: { role: "status" } }), // only an element with a role may have a label
    // The placeholder is no item, which a menu must not hold; without it the first item has the focus.
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Modal: Modal.extend({ defaultProps: { closeButtonProps: { "aria-label": texts.common.close } } }),
  },
});

const HUES = ["pink", "red", "orange", "yellow", "green", "teal", "blue", "violet", "grape"] as const;

/** Colours of text on white and on tints, and under white text, with the contrast of 4.5 to 1 that Mantine's lack. */
const readableHues = Object.fromEntries(
  HUES.flatMap((hue) => {
    const dark = `color-mix(in srgb, var(--mantine-color-${hue}-9) 85%, black)`;
    return ["light-color", "outline", "text"].map((use) => [`--mantine-color-${hue}-${use}`, dark]);
  }),
);
const readableFills = Object.fromEntries(
  (["red", "orange", "green", "teal"] as const).flatMap((hue) => {
    const fill = (share: number): string => `color-mix(in srgb, var(--mantine-color-${hue}-9) ${share}%, black)`;
    return [
      [`--mantine-color-${hue}-filled`, fill(90)],
      [`--mantine-color-${hue}-filled-hover`, fill(78)],
    ];
  }),
);

/** Grey text that can be read: Mantine's own has a contrast of 3.3 to 1, 4.5 to 1 is needed. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...readableHues,
    ...readableFills,
    "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
    "--mantine-color-placeholder": "#6b7178",
  },
  dark: {
    ...readableFills,
    "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
    "--mantine-color-placeholder": "#9a9a9a",
  },
});
