import type { JSX } from "preact";
import type { ScheduleStatus } from "yardmaster/http-client";
import { useAnswer } from "../answer.ts";
import { count, duration, exactTime } from "../format.ts";
import { schedules, useTopic } from "../live.ts";
import { ActionButton, attempt, confirmed } from "../parts/actions.tsx";
import { Empty, Panel, StateBadge, TaskLink, Time, Waiting } from "../parts/basics.tsx";
import { param, setQuery } from "../router.ts";
import { client } from "../session.ts";

export function SchedulesPage(): JSX.Element {
  useTopic("schedules");
  const all = schedules.value;
  if (all === null) return <Waiting rows={6} />;
  const open = param("schedule");
  return (
    <div class="page">
      <Panel title="Schedules" note={all.length === 0 ? "" : `${count(all.length)} of them`}>
        {all.length === 0 ? (
          <Empty
            icon="schedules"
            title="No schedule yet"
            command={`npx yardmaster schedule add nightly greet '{"name":"world"}' --cron "0 3 * * *"`}
          >
            A schedule submits a task again and again, by a cron line or an interval.
          </Empty>
        ) : (
          <ul class="rows">
            {all.map((schedule) => (
              <Row key={schedule.name} schedule={schedule} isOpen={open === schedule.name} />
            ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}

function Row({
  schedule,
  isOpen,
}: {
  readonly schedule: ScheduleStatus;
  readonly isOpen: boolean;
}): JSX.Element {
  const { name, task, queue, paused, held, nextAt, lastAt, lastTask, fired } = schedule;
  return (
    <li class="row">
      <div class="row-head">
        <div class="row-name">
          <button
            type="button"
            class="disclose"
            aria-expanded={isOpen}
            aria-label={`Ticks of ${name}`}
            onClick={() => setQuery({ schedule: isOpen ? "" : name })}
          >
            <svg class="icon" width={16} height={16} viewBox="0 0 24 24" aria-hidden="true">
              <path d="M9 6l6 6-6 6" />
            </svg>
            <b title={name}>{name}</b>
          </button>
          {paused && <span class="tag warn">paused</span>}
          {held && <span class="tag">held for the task before</span>}
          <span class="sub">
            {task} <span class="faint">in {queue}</span>
          </span>
        </div>
        <dl class="row-facts">
          <div>
            <dt>Ticks</dt>
            <dd class="mono">{ticksOf(schedule)}</dd>
          </div>
          <div>
            <dt>Next</dt>
            <dd>{paused ? <span class="faint">paused</span> : <Time at={nextAt} />}</dd>
          </div>
          <div>
            <dt>Last</dt>
            <dd>
              {lastTask === null ? (
                <Time at={lastAt} />
              ) : (
                <TaskLink id={lastTask}>
                  <Time at={lastAt} />
                </TaskLink>
              )}
            </dd>
          </div>
          <div>
            <dt>Made</dt>
            <dd>{count(fired)}</dd>
          </div>
        </dl>
        <Actions schedule={schedule} />
      </div>
      {isOpen && <Ticks schedule={schedule} />}
    </li>
  );
}

function ticksOf({ cron, timeZone, everyMs }: ScheduleStatus): string {
  if (cron === null) return `every ${duration(everyMs ?? 0)}`;
  return timeZone === null || timeZone === "UTC" ? cron : `${cron} ${timeZone}`;
}

function Actions({ schedule: { name, paused } }: { readonly schedule: ScheduleStatus }): JSX.Element {
  const yard = client.value;
  const remove = async (): Promise<void> => {
    const isWanted = await confirmed(
      `Remove schedule ${name}?`,
      "It makes no more tasks; one that exists goes on.",
      "Remove it",
    );
    if (isWanted) await attempt(`Schedule ${name} is removed`, () => yard.removeSchedule(name));
  };
  return (
    <div class="row-actions">
      <ActionButton
        icon="play"
        label={`Run ${name} now`}
        run={() => attempt(`${name} is submitted`, () => yard.runSchedule(name))}
      >
        Run now
      </ActionButton>
      {paused ? (
        <ActionButton
          icon="play"
          label={`Resume ${name}`}
          run={() => attempt(`${name} goes on`, () => yard.resumeSchedule(name))}
        >
          Resume
        </ActionButton>
      ) : (
        <ActionButton
          icon="pause"
          label={`Pause ${name}`}
          run={() => attempt(`${name} is paused`, () => yard.pauseSchedule(name))}
        >
          Pause
        </ActionButton>
      )}
      <ActionButton icon="close" label={`Remove ${name}`} run={remove}>
        Remove
      </ActionButton>
    </div>
  );
}

/** When it comes next, and what it has made. */
function Ticks({ schedule }: { readonly schedule: ScheduleStatus }): JSX.Element {
  const { name, fired, nextAt, missed, overlap } = schedule;
  const { value, trouble } = useAnswer(name, (signal) => client.value.scheduleTicks(name, { signal }), {
    occasion: `${fired} ${nextAt ?? ""} ${schedule.paused}`,
  });
  if (value === null) return trouble === "" ? <Waiting rows={3} /> : <p class="none">{trouble}</p>;
  return (
    <div class="ticks">
      <section>
        <h3>Next</h3>
        {value.next.length === 0 ? (
          <p class="none">None while it is paused.</p>
        ) : (
          <ol class="tick-list">
            {value.next.map((at) => (
              <li key={at}>
                <span>{exactTime(Date.parse(at))}</span> <Time at={at} />
              </li>
            ))}
          </ol>
        )}
      </section>
      <section>
        <h3>Ended of late</h3>
        {value.past.length === 0 ? (
          <p class="none">None of the latest tasks of its definition is its own.</p>
        ) : (
          <ol class="tick-list">
            {value.past.slice(0, 10).map(({ at, task }) => (
              <li key={task.id}>
                <StateBadge state={task.state} code={task.code} />
                <TaskLink id={task.id}>{exactTime(Date.parse(at))}</TaskLink>
              </li>
            ))}
          </ol>
        )}
      </section>
      <section>
        <h3>Policies</h3>
        <dl class="facts">
          <div>
            <dt>Missed ticks</dt>
            <dd>{missed}</dd>
          </div>
          <div>
            <dt>Overlap</dt>
            <dd>{overlap}</dd>
          </div>
        </dl>
      </section>
    </div>
  );
}
