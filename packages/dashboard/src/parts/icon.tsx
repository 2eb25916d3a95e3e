import type { JSX } from "preact";

/** Lines on a grid of 24, drawn for this page. */
const PATHS = {
  yard: "M4 18h16M4 12h5c4 0 5-6 9-6M4 6h3",
  queues: "M4 6h16M4 12h16M4 18h10",
  tasks: "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
  graphs: "M6 5v6a4 4 0 0 0 4 4h4M14 15a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M6 5a2 2 0 1 0 .01 0M6 19v-4",
  workers: "M5 8h14v9H5zM9 8V5h6v3M9 12.5h.01M15 12.5h.01M3 12v2M21 12v2",
  schedules: "M12 7v5l3 2M12 3a9 9 0 1 0 .01 0",
  shards: "M4 7.5 12 3l8 4.5-8 4.5zM4 12l8 4.5 8-4.5M4 16.5 12 21l8-4.5",
  policy: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6M20 16V6",
  search: "M11 4a7 7 0 1 0 .01 0M20 20l-4-4",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10-6.5z",
  retry: "M4 12a8 8 0 1 1 2.5 5.8M4 19v-5h5",
  stop: "M7 7h10v10H7z",
  close: "M6 6l12 12M18 6 6 18",
  chevron: "M9 6l6 6-6 6",
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 12.5 10 17l9-10",
  sun: "M12 8a4 4 0 1 0 .01 0M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  auto: "M12 3a9 9 0 1 0 .01 0M12 3v18",
  exit: "M14 4h5v16h-5M4 12h10M10 8l4 4-4 4",
  alert: "M12 4 2.5 20h19zM12 10v4M12 17h.01",
  tune: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  drain: "M12 3v11M8 10l4 4 4-4M5 20h14",
} as const;

export type IconName = keyof typeof PATHS;

/** Beside a text that says the same: for eyes alone. */
export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
