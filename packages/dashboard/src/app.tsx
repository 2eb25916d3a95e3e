import type { ComponentType, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { SideBar, TopBar } from "./frame.tsx";
import { Graph } from "./pages/graph.tsx";
import { GraphsPage } from "./pages/graphs.tsx";
import { PolicyPage } from "./pages/policy.tsx";
import { QueuesPage } from "./pages/queues.tsx";
import { SchedulesPage } from "./pages/schedules.tsx";
import { ShardsPage } from "./pages/shards.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { TaskPage } from "./pages/task.tsx";
import { TasksPage } from "./pages/tasks.tsx";
import { WorkersPage } from "./pages/workers.tsx";
import { YardPage } from "./pages/yard.tsx";
import { Questions, Toasts } from "./parts/actions.tsx";
import { path } from "./router.ts";
import { isSignedIn, isStarting } from "./session.ts";

interface Found {
  readonly title: string;
  readonly page: JSX.Element;
}

const PAGES: Readonly<Record<string, { readonly title: string; readonly Page: ComponentType }>> = {
  "/": { title: "Yard", Page: YardPage },
  "/queues": { title: "Queues", Page: QueuesPage },
  "/tasks": { title: "Tasks", Page: TasksPage },
  "/graphs": { title: "Graphs", Page: GraphsPage },
  "/workers": { title: "Workers", Page: WorkersPage },
  "/schedules": { title: "Schedules", Page: SchedulesPage },
  "/shards": { title: "Shards", Page: ShardsPage },
  "/policy": { title: "Policy", Page: PolicyPage },
};

function found(address: string): Found {
  const [, kind, id] = /^\/(tasks|graphs)\/([^/]+)$/.exec(address) ?? [];
  if (id !== undefined) {
    const decoded = decodedId(id);
    return kind === "tasks"
      ? { title: "Task", page: <TaskPage key={decoded} id={decoded} /> }
      : { title: "Graph", page: <Graph key={decoded} id={decoded} /> };
  }
  const { title, Page } = PAGES[address] ?? { title: "Yard", Page: YardPage };
  return { title, page: <Page /> };
}

function decodedId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function App(): JSX.Element {
  const { title, page } = found(path.value);
  useEffect(() => {
    document.title = `${title} · Yardmaster`;
  }, [title]);
  if (isStarting.value) return <div class="boot" role="status" aria-label="Loading" />;
  if (!isSignedIn.value) return <SignInPage />;
  return (
    <div class="frame">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <SideBar />
      <div class="content">
        <TopBar title={title} />
        <main id="main" tabIndex={-1}>
          {page}
        </main>
      </div>
      <Toasts />
      <Questions />
    </div>
  );
}
