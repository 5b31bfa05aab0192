/** Signing this tab in, with a key or with a link that works once. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useLocation, useNavigate } from "react-router";

import { OWN, SIGN_IN, api, dataOf } from "@/api/client";
import { ApiError } from "@/api/errors";
import { signIn } from "@/api/session";
import { texts } from "@/texts";

import { ownPath } from "./ownPath";
import { readTyped } from "./typed";

/** Where the person wanted to go when the sign-in page came up. */
export interface Wanted {
  from?: string;
}

/** Takes a key, or a link or its token; leads on to where the person wanted to go. */
export function useSignIn() {
  const client = useQueryClient();
  const go = useNavigate();
  const place = useLocation();
  return useMutation({
    mutationFn: keyOf,
    onSuccess: (key) => {
      client.getQueryCache().clear(); // what another key read may be more than this one may see
      signIn(key);
      const { from } = (place.state ?? {}) as Wanted;
      void go(ownPath(from), { replace: true });
    },
  });
}

async function keyOf(text: string): Promise<string> {
  const typed = readTyped(text);
  if (typed === null) throw new ApiError(texts.signIn.unreadable, 400, "Unreadable");
  if ("token" in typed) return (await dataOf(api.POST(SIGN_IN, { body: { token: typed.token } }))).key;
  const me = await dataOf(api.GET(`${OWN}/me`, { headers: { "Training-Key": typed.key } }));
  if (me.scope === "prediction") throw new ApiError(texts.signIn.predictionKey(me.name), 403, "Scope");
  return typed.key;
}
