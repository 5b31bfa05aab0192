import {
  ActionIcon,
  Alert,
  Anchor,
  AppShell,
  Button,
  Group,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { IconFlower, IconMoon, IconSun } from "@tabler/icons-react";
import { Link, Navigate, Outlet, useLocation, useNavigation } from "react-router";

import { signOut, useKey } from "@/api/session";
import { useMay } from "@/api/shared";
import { texts } from "@/texts";

import styles from "./Layout.module.css";
import { useServerLost } from "./connection";
import { CONTENT, toContent } from "./content";

/** What surrounds every page: the header, and what is said when the server does not answer. */
export function Layout(): React.JSX.Element {
  const key = useKey();
  const place = useLocation();
  const lost = useServerLost();
  const isOpening = useNavigation().state === "loading";
  if (key === null) return <Navigate to="/sign-in" replace state={{ from: place.pathname + place.search }} />;
  return (
    <AppShell header={{ height: 52 }} padding={0}>
      <a href={`#${CONTENT}`} className={styles["skip"]} onClick={skip}>
        {texts.common.skip}
      </a>
      <AppShell.Header>
        <Header />
      </AppShell.Header>
      {isOpening && <div className={styles["opening"]} role="progressbar" aria-label={texts.frame.opening} />}
      <AppShell.Main id={CONTENT} tabIndex={-1} className={styles["content"]} aria-busy={isOpening}>
        {lost && (
          <Alert color="orange" variant="filled" autoContrast role="alert" radius={0} className={styles["lost"]}>
            {texts.common.lost}
          </Alert>
        )}
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

function skip(event: React.MouseEvent): void {
  event.preventDefault(); // the fragment is the router's
  toContent();
}

function Header(): React.JSX.Element {
  const may = useMay();
  return (
    <Group h="100%" px="md" justify="space-between" wrap="nowrap">
      <Anchor component={Link} to="/" underline="never" c="inherit" aria-label={texts.common.projects}>
        <Group gap={6} wrap="nowrap">
          <IconFlower size={24} aria-hidden />
          <Text fw={700}>{texts.common.product}</Text>
        </Group>
      </Anchor>
      <Group gap={4} wrap="nowrap" component="nav">
        {may.administer && (
          <Button component={Link} to="/activity" variant="subtle" size="compact-sm">
            {texts.common.activity}
          </Button>
        )}
        <Button component={Link} to="/server" variant="subtle" size="compact-sm">
          {texts.common.server}
        </Button>
        <Button component="a" href="/docs" target="_blank" variant="subtle" size="compact-sm" visibleFrom="xs">
          {texts.common.api}
        </Button>
        <ColourSwitch />
        <Button variant="subtle" size="compact-sm" onClick={signOut}>
          {texts.common.signOut}
        </Button>
      </Group>
    </Group>
  );
}

function ColourSwitch(): React.JSX.Element {
  const { setColorScheme } = useMantineColorScheme();
  const shown = useComputedColorScheme("light");
  return (
    <ActionIcon
      variant="subtle"
      aria-label={texts.common.colours}
      onClick={() => setColorScheme(shown === "dark" ? "light" : "dark")}
    >
      {shown === "dark" ? <IconSun size={18} aria-hidden /> : <IconMoon size={18} aria-hidden />}
    </ActionIcon>
  );
}
