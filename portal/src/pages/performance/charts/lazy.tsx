/** The charts; the library that draws them is loaded when the first one is shown. */
import { Skeleton } from "@mantine/core";
import { Suspense, lazy } from "react";

import { HEIGHT } from "./axes";

function later<P extends object>(load: () => Promise<{ default: React.ComponentType<P> }>) {
  const Chart = lazy(load) as unknown as React.ComponentType<P>;
  return function Later(props: P): React.JSX.Element {
    return (
      <Suspense fallback={<Skeleton h={HEIGHT} animate={false} />}>
        <Chart {...props} />
      </Suspense>
    );
  };
}

export const PrecisionRecall = later(() => import("./PrecisionRecall"));
export const Reliability = later(() => import("./Reliability"));
export const Growth = later(() => import("./Growth"));
