/** The pages and their addresses, all in the fragment; each page is loaded when it is first opened. */
import { Navigate, type RouteObject, createHashRouter } from "react-router";

import { CrashPage, NoPage } from "./FaultPages";
import { Layout } from "./Layout";
import { ProjectLayout } from "./ProjectLayout";

type Page = () => Promise<{ default: React.ComponentType }>;

function page(load: Page): Pick<RouteObject, "lazy"> {
  return { lazy: async () => ({ Component: (await load()).default }) };
}

export const router = createHashRouter([
  {
    errorElement: <CrashPage />,
    HydrateFallback: () => null,
    children: [
      { path: "/sign-in/:token?", ...page(() => import("@/pages/sign-in/SignInPage")) },
      {
        element: <Layout />,
        children: [
          { path: "/", ...page(() => import("@/pages/projects/ProjectsPage")) },
          { path: "/activity", ...page(() => import("@/pages/training/ActivityPage")) },
          { path: "/server", ...page(() => import("@/pages/settings/ServerPage")) },
          {
            path: "/projects/:projectId",
            element: <ProjectLayout />,
            errorElement: <CrashPage />,
            children: [
              { index: true, element: <Navigate to="images" replace /> },
              { path: "images", ...page(() => import("@/pages/images/ImagesPage")) },
              { path: "images/:imageId", ...page(() => import("@/pages/photo/PhotoPage")) },
              { path: "suggested", ...page(() => import("@/pages/suggested/SuggestedPage")) },
              { path: "train", ...page(() => import("@/pages/training/TrainPage")) },
              { path: "performance/:iterationId?", ...page(() => import("@/pages/performance/PerformancePage")) },
              { path: "compare", ...page(() => import("@/pages/performance/ComparePage")) },
              { path: "test", ...page(() => import("@/pages/quick-test/QuickTestPage")) },
              { path: "publish", ...page(() => import("@/pages/publish/PublishPage")) },
              { path: "predictions", ...page(() => import("@/pages/predictions/PredictionsPage")) },
              { path: "export/:iterationId?", ...page(() => import("@/pages/exports/ExportPage")) },
              { path: "settings", ...page(() => import("@/pages/settings/SettingsPage")) },
            ],
          },
          { path: "*", element: <NoPage /> },
        ],
      },
    ],
  },
]);
