/** Pages are files of their own, which may be out of reach, or gone since the server has a new build. */
import { isReachable, untilReachable } from "@/api/reachable";

import { suspectLoss } from "./connection";

const RELOADED = "dahlia.reloaded";
/** A document still there after this long was kept by its user, who has unfinished work in it. */
const PREVENTED_MS = 10_000;

export interface Around {
  isReachable: () => Promise<boolean>;
  untilReachable: () => Promise<void>;
  /** Load the whole document again, at the address that was asked for; it ends only where that is prevented. */
  reload: () => Promise<void>;
  /** Names this build. */
  build: string;
  kept: Pick<Storage, "getItem" | "setItem">;
}

/**
 * Load a page. While the server does not answer this waits; a file that is missing is one of another build, so the
 * document is loaded again, once for a build: if that does not help, the error is the caller's.
 */
export async function loadPage<T>(load: () => Promise<T>, around: Around): Promise<T> {
  try {
    return await load();
  } catch {
    if (!(await around.isReachable())) {
      suspectLoss();
      await around.untilReachable();
    }
  }
  try {
    return await load();
  } catch (error) {
    if (around.kept.getItem(RELOADED) === around.build) throw error;
    around.kept.setItem(RELOADED, around.build);
    await around.reload();
    throw error;
  }
}

/** @param asked gives the address of the page that is being opened. */
export function browser(asked: () => string | null): Around {
  const reload = async (): Promise<void> => {
    const address = asked();
    if (address !== null) window.history.pushState(null, "", `#${address}`);
    window.location.reload();
    await new Promise((resolve) => setTimeout(resolve, PREVENTED_MS));
  };
  return { isReachable, untilReachable, reload, build: import.meta.url, kept: sessionStorage };
}
