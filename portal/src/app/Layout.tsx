import { Alert, AppShell } from "@mantine/core";
import { Navigate, Outlet, useLocation, useNavigation } from "react-router";

import { useKey } from "@/api/session";
import { texts } from "@/texts";

import { Header } from "./Header";
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
