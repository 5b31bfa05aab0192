import { Button, Loader, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";

import { OWN, api, dataOf } from "@/api/client";
import { keys } from "@/api/keys";
import { ErrorNote } from "@/components/ErrorNote";
import { texts } from "@/texts";

import { AuditFilters } from "./AuditFilters";
import { AuditLine } from "./AuditLine";
import { filtersOf, queryOf } from "./filters";

const PAGE = 50;

/** The changes, the newest first, with filters. */
export function AuditLog(): React.JSX.Element {
  const [address] = useSearchParams();
  const filters = filtersOf(address);
  const lines = useInfiniteQuery({
    queryKey: [...keys.audit, filters],
    queryFn: ({ pageParam }) => {
      const query = { ...queryOf(filters), take: PAGE, continuation: pageParam };
      return dataOf(api.GET(`${OWN}/audit`, { params: { query } }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.continuation ?? undefined,
  });
  const said = texts.server.audit;
  const found = lines.data?.pages.flatMap(({ results }) => results);
  return (
    <Stack>
      <AuditFilters />
      {lines.error && <ErrorNote error={lines.error} retry={() => void lines.refetch()} />}
      {!found && !lines.error && <Loader aria-label={texts.common.loading} />}
      {found?.length === 0 && <Text>{said.none}</Text>}
      <Stack component="ol" gap={0} p={0} m={0} style={{ listStyle: "none" }} aria-label={said.list}>
        {found?.map((line, place) => (
          <AuditLine key={`${line.created} ${place}`} line={line} />
        ))}
      </Stack>
      {lines.hasNextPage && (
        <Button
          variant="default"
          onClick={() => void lines.fetchNextPage()}
          loading={lines.isFetchingNextPage}
          style={{ alignSelf: "center" }}
        >
          {said.more}
        </Button>
      )}
    </Stack>
  );
}
