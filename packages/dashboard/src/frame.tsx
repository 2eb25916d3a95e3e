import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { now } from "./clock.ts";
import { count, duration } from "./format.ts";
import { connectionTrouble, freshness, heads, heardAt, queues, running, troubles, workers } from "./live.ts";
import { Icon, type IconName } from "./parts/icon.tsx";
import { go, path } from "./router.ts";
import { session, signOut } from "./session.ts";
import { nextTheme, theme } from "./theme.ts";

interface Item {
  readonly href: string;
  readonly name: string;
  readonly icon: IconName;
  readonly figure?: () => string;
}

const ITEMS: readonly Item[] = [
  { href: "/", name: "Yard", icon: "yard" },
  { href: "/queues", name: "Queues", icon: "queues", figure: () => numberOf(queues.value?.length) },
  { href: "/tasks", name: "Tasks", icon: "tasks", figure: () => numberOf(unfinished()) },
  { href: "/graphs", name: "Graphs", icon: "graphs" },
  { href: "/workers", name: "Workers", icon: "workers", figure: () => numberOf(workers.value?.length) },
  { href: "/schedules", name: "Schedules", icon: "schedules" },
  { href: "/shards", name: "Shards", icon: "shards" },
  { href: "/policy", name: "Policy", icon: "policy" },
];

export function SideBar(): JSX.Element {
  const here = path.value;
  return (
    <aside class="side">
      <a href="/" class="brand" aria-label="Yardmaster, to the yard">
        <img src="/icon.svg" alt="" width={28} height={28} />
        <span>Yardmaster</span>
      </a>
      <nav aria-label="Pages">
        <ul>
          {ITEMS.map(({ href, name, icon, figure }) => (
            <li key={href}>
              <a href={href} {...(isCurrent(href, here) ? { "aria-current": "page" as const } : {})}>
                <Icon name={icon} />
                <span class="nav-name">{name}</span>
                <span class="nav-figure">{figure?.() ?? ""}</span>
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="side-foot">
        <span class="role">
          Signed in as <b>{session.value?.role}</b>
        </span>
        <button type="button" class="icon-button" onClick={signOut} aria-label="Sign out" title="Sign out">
          <Icon name="exit" size={16} />
        </button>
      </div>
    </aside>
  );
}

function isCurrent(href: string, here: string): boolean {
  return href === "/" ? here === "/" : here === href || here.startsWith(`${href}/`);
}

function numberOf(value: number | undefined): string {
  return value === undefined ? "" : count(value);
}

function unfinished(): number | undefined {
  return queues.value?.reduce(
    (sum, { scheduled, blocked, ready, active, parked }) =>
      sum + scheduled + blocked + ready + active + parked,
    0,
  );
}

export function TopBar({ title }: { readonly title: string }): JSX.Element {
  return (
    <header class="top">
      <h1>{title}</h1>
      <span class="spacer" />
      <Jump />
      <Freshness />
      <ThemeButton />
    </header>
  );
}

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** An id leads to its task, anything else to the tasks of that name. */
function Jump(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const jump = (event: Event): void => {
    event.preventDefault();
    const text = input.current?.value.trim() ?? "";
    if (text === "") return;
    if (ID.test(text.toLowerCase())) go(`/tasks/${text.toLowerCase()}`);
    else go(`/tasks?name=${encodeURIComponent(text)}`);
    if (input.current !== null) input.current.value = "";
  };
  return (
    <form class="jump" role="search" onSubmit={jump}>
      <Icon name="search" size={15} />
      <input
        ref={input}
        type="search"
        name="jump"
        placeholder="Task id or name"
        aria-label="Find a task by its id, or tasks by their name"
        autocomplete="off"
        spellcheck={false}
      />
      <span class="kbd" aria-hidden="true">
        /
      </span>
    </form>
  );
}

/** Whether what is shown is what is: a page that has heard nothing says since when. */
function Freshness(): JSX.Element {
  const [trouble] = troubles.value.values();
  if (freshness.value === "starting") {
    return (
      <output class="fresh starting">
        <span class="dot" /> Connecting
      </output>
    );
  }
  if (freshness.value === "stale") {
    void now.value;
    return (
      <output class="fresh stale" title={connectionTrouble.value}>
        <span class="dot" /> Stale since {duration(Date.now() - heardAt.value)}
      </output>
    );
  }
  if (trouble !== undefined) {
    return (
      <output class="fresh stale" title={trouble}>
        <span class="dot" /> No dispatcher answers
      </output>
    );
  }
  return (
    <output
      class="fresh live"
      title={`${running.value.length} attempts run, ${heads.value.length} lines wait`}
    >
      <span class="dot" /> Live
    </output>
  );
}

const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;
const THEME_NAMES = { auto: "as the system has it", light: "light", dark: "dark" } as const;

function ThemeButton(): JSX.Element {
  const label = `Colours: ${THEME_NAMES[theme.value]}. Change`;
  return (
    <button type="button" class="icon-button" onClick={nextTheme} aria-label={label} title={label}>
      <Icon name={THEME_ICONS[theme.value]} size={17} />
    </button>
  );
}
