/** What a key or a button changes of photos' tags. */

export interface Change {
  imageId: string;
  tagId: string;
  /** Whether the photo gets the tag, or loses it. */
  add: boolean;
}

/** What a photo may carry. */
export interface TagRules {
  /** One tag per photo: another one replaces it. */
  single: boolean;
  /** The tag of photos that show none of the others. */
  negative: string | null;
}

export interface Tagged {
  id: string;
  tags: ReadonlySet<string>;
}

/** Put a tag on photos; the tags that cannot be there with it go. */
export function putOn(photos: readonly Tagged[], tagId: string, rules: TagRules): Change[] {
  return photos.flatMap(({ id, tags }) => {
    if (tags.has(tagId)) return [];
    const leaving = [...tags].filter(
      (other) => rules.single || tagId === rules.negative || other === rules.negative,
    );
    return [
      ...leaving.map((other) => ({ imageId: id, tagId: other, add: false })),
      { imageId: id, tagId, add: true },
    ];
  });
}

export function takeOff(photos: readonly Tagged[], tagId: string): Change[] {
  return photos.filter(({ tags }) => tags.has(tagId)).map(({ id }) => ({ imageId: id, tagId, add: false }));
}

export function takeAllOff(photos: readonly Tagged[]): Change[] {
  return photos.flatMap(({ id, tags }) => [...tags].map((tagId) => ({ imageId: id, tagId, add: false })));
}

/** Put a tag on photos; take it off if all of them have it. */
export function toggle(photos: readonly Tagged[], tagId: string, rules: TagRules): Change[] {
  const all = photos.every(({ tags }) => tags.has(tagId));
  return all ? takeOff(photos, tagId) : putOn(photos, tagId, rules);
}

/** What restores the state before these changes, in an order that never breaks the rules. */
export function inverse(changes: readonly Change[]): Change[] {
  return changes.map((change) => ({ ...change, add: !change.add })).reverse();
}
