import { notifications } from "@mantine/notifications";

import { messageOf } from "@/api/errors";

/** Say briefly that something is done. */
export function announce(message: string): void {
  notifications.show({ message, color: "teal" });
}

/** Say that something failed where no better place shows it: `onError: announceError` of a mutation. */
export function announceError(error: unknown): void {
  const message = messageOf(error);
  notifications.show({ id: message, message, color: "red", autoClose: 10_000 }); // once, not for each request
}
