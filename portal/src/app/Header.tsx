import {
  ActionIcon,
  Anchor,
  Burger,
  Button,
  Group,
  Menu,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { IconFlower, IconMoon, IconSun } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";

import { signOut } from "@/api/session";
import { useMay } from "@/api/shared";
import { texts } from "@/texts";

/** The name, and the pages that belong to no project: in a menu where the screen is narrow. */
export function Header(): React.JSX.Element {
  const may = useMay();
  const said = texts.common;
  return (
    <Group h="100%" px="md" justify="space-between" wrap="nowrap">
      <Anchor component={Link} to="/" underline="never" c="inherit" aria-label={said.home}>
        <Group gap={6} wrap="nowrap">
          <IconFlower size={24} aria-hidden />
          <Text fw={700}>{said.product}</Text>
        </Group>
      </Anchor>
      <Group gap={4} wrap="nowrap" component="nav" aria-label={said.menu}>
        <Group gap={4} wrap="nowrap" visibleFrom="sm">
          {may.administer && (
            <Button component={Link} to="/activity" variant="subtle" size="compact-sm">
              {said.activity}
            </Button>
          )}
          <Button component={Link} to="/server" variant="subtle" size="compact-sm">
            {said.server}
          </Button>
          <Button component="a" href="/docs" target="_blank" variant="subtle" size="compact-sm">
            {said.api}
          </Button>
        </Group>
        <ColourSwitch />
        <Button variant="subtle" size="compact-sm" onClick={signOut} visibleFrom="sm">
          {said.signOut}
        </Button>
        <NarrowMenu withActivity={may.administer} />
      </Group>
    </Group>
  );
}

function NarrowMenu({ withActivity }: { withActivity: boolean }): React.JSX.Element {
  const [opened, setOpened] = useState(false);
  const said = texts.common;
  return (
    <Menu opened={opened} onChange={setOpened} position="bottom-end" width={180}>
      <Menu.Target>
        <Burger opened={opened} size="sm" aria-label={said.menu} hiddenFrom="sm" />
      </Menu.Target>
      <Menu.Dropdown>
        {withActivity && (
          <Menu.Item component={Link} to="/activity">
            {said.activity}
          </Menu.Item>
        )}
        <Menu.Item component={Link} to="/server">
          {said.server}
        </Menu.Item>
        <Menu.Item component="a" href="/docs" target="_blank">
          {said.api}
        </Menu.Item>
        <Menu.Item onClick={signOut}>{said.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
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
