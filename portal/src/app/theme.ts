import { createTheme } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "pink",
  primaryShade: { light: 7, dark: 8 },
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  headings: { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif" },
  cursorType: "pointer",
  respectReducedMotion: true,
});
