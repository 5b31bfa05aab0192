/** The pages and their addresses, all in the fragment; each page is loaded when it is first opened. */
import { Navigate, type RouteObject, createHashRouter } from "react-router";

import { texts } from "@/texts";

import { CrashPage, LoadingPage, NoPage, RootCrashPage } from "./FaultPages";
import { Layout } from "./Layout";
import { ProjectLayout } from "./ProjectLayout";
import { Root } from "./Root";
import { browser, loadPage } from "./loadPage";
import type { Titled } from "./place";

type Page = () => Promise<{ default: React.ComponentType }>;

const around = browser(() => {
  const asked = router.state.navigation.location;
  return asked ? asked.pathname + asked.search : null;
});

function page(title: string, load: Page): Pick<RouteObject, "lazy" | "handle" | "errorElement"> {
  return {
    handle: { title } satisfies Titled,
    errorElement: <CrashPage />,
    lazy: async () => {
      try {
        return { Component: (await loadPage(load, around)).default };
      } catch (error) {
        // For the document's first page the router would show its fallback for ever if this failed.
        return { Component: () => fail(error) };
      }
    },
  };
}

function fail(error: unknown): never {
  throw error;
}

export const router = createHashRouter([
  {
    element: <Root />,
    errorElement: <RootCrashPage />,
    HydrateFallback: LoadingPage,
    children: [
      { path: "/sign-in/:token?", ...page(texts.signIn.title, () => import("@/pages/sign-in/SignInPage")) },
      {
        element: <Layout />,
        children: [
          { path: "/", ...page(texts.projects.title, () => import("@/pages/projects/ProjectsPage")) },
          { path: "/activity", ...page(texts.common.activity, () => import("@/pages/training/ActivityPage")) },
          { path: "/server", ...page(texts.common.server, () => import("@/pages/settings/ServerPage")) },
          {
            path: "/projects/:projectId",
            element: <ProjectLayout />,
            errorElement: <CrashPage />,
            children: [
              { index: true, element: <Navigate to="images" replace /> },
              { path: "images", ...page(texts.images.title, () => import("@/pages/images/ImagesPage")) },
              { path: "images/:imageId", ...page(texts.photo.title, () => import("@/pages/photo/PhotoPage")) },
              { path: "suggested", ...page(texts.suggested.title, () => import("@/pages/suggested/SuggestedPage")) },
              { path: "train", ...page(texts.training.title, () => import("@/pages/training/TrainPage")) },
              {
                path: "performance/:iterationId?",
                ...page(texts.performance.title, () => import("@/pages/performance/PerformancePage")),
              },
              { path: "compare", ...page(texts.frame.comparison, () => import("@/pages/performance/ComparePage")) },
              { path: "test", ...page(texts.quickTest.title, () => import("@/pages/quick-test/QuickTestPage")) },
              { path: "publish", ...page(texts.publish.title, () => import("@/pages/publish/PublishPage")) },
              {
                path: "predictions",
                ...page(texts.predictions.title, () => import("@/pages/predictions/PredictionsPage")),
              },
              {
                path: "export/:iterationId?",
                ...page(texts.exports.title, () => import("@/pages/exports/ExportPage")),
              },
              { path: "settings", ...page(texts.settings.title, () => import("@/pages/settings/SettingsPage")) },
            ],
          },
          { path: "*", handle: { title: texts.frame.noPageTitle } satisfies Titled, element: <NoPage /> },
        ],
      },
    ],
  },
]);
