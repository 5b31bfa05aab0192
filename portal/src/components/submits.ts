/** Forms send what they hold once, and say what is wrong with what they hold now. */

interface Sent {
  isPending: boolean;
  isSuccess: boolean;
}

/** Whether a form that closes at the end was sent: once more would do all of it twice. */
export function isSent({ isPending, isSuccess }: Sent): boolean {
  return isPending || isSuccess;
}

interface Failed {
  isError: boolean;
  reset: () => void;
}

/** Takes the error of what was sent away when it is changed; what is on its way goes on. */
export function forgetError({ isError, reset }: Failed): void {
  if (isError) reset();
}
