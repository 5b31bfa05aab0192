import { Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import { useEffect } from "react";
import { useBlocker } from "react-router";

import { texts } from "@/texts";

/** Ask before the page is left while something on it is not saved. */
export function useUnsaved(isUnsaved: boolean): void {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isUnsaved && currentLocation.pathname !== nextLocation.pathname,
  );
  useEffect(() => {
    if (blocker.state !== "blocked") return;
    const said = texts.common.unsaved;
    modals.openConfirmModal({
      title: said.title,
      children: <Text size="sm">{said.text}</Text>,
      labels: { confirm: said.leave, cancel: said.stay },
      confirmProps: { color: "red" },
      onConfirm: () => blocker.proceed(),
      onClose: () => blocker.reset(),
    });
  }, [blocker]);
  useEffect(() => {
    if (!isUnsaved) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isUnsaved]);
}
