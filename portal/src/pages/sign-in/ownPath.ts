/** A path of the portal; what browsers would read as another host's address (`//host`, `/\\host`) is the first page. */
export function ownPath(wanted: string | undefined): string {
  return wanted && /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}
