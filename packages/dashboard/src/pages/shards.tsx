import type { JSX } from "preact";
import type { ShardStatus } from "yardmaster/http-client";
import { count, plural, shortId } from "../format.ts";
import { shards, useTopic } from "../live.ts";
import { CopyButton, Empty, Panel, Waiting } from "../parts/basics.tsx";
import { session } from "../session.ts";

export function ShardsPage(): JSX.Element {
  useTopic("shards");
  const all = shards.value;
  if (all === null) return <Waiting rows={4} />;
  const orphans = all.filter(({ lease }) => lease !== "held");
  const owners = new Set(
    all.flatMap(({ owner, lease }) => (lease === "held" && owner !== null ? [owner] : [])),
  );
  return (
    <div class="page">
      {orphans.length > 0 && (
        <Panel title="No dispatcher" class="stuck">
          <Empty
            icon="alert"
            title={`Nobody dispatches ${orphans.length} of ${all.length} shards`}
            command="npx yardmaster dispatcher"
          >
            What is submitted waits durably. A dispatcher takes a shard over within seconds of its start.
          </Empty>
        </Panel>
      )}
      <Panel
        title="Shards"
        note={`${count(all.length)} of ${count(session.value?.shards ?? all.length)}, ${plural(owners.size, "dispatcher", "dispatchers")}`}
      >
        <div class="table-wrap">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Shard</th>
                <th scope="col">Lease</th>
                <th scope="col">Dispatcher</th>
                <th scope="col" class="number">
                  Epoch
                </th>
                <th scope="col" class="number">
                  Submit lane
                </th>
                <th scope="col" class="number">
                  Control lane
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((shard) => (
                <Row key={shard.shard} shard={shard} />
              ))}
            </tbody>
          </table>
        </div>
        <p class="note foot">
          Lanes: frames that the dispatcher has not drained yet. They fall to 0 unless it cannot follow.
        </p>
      </Panel>
    </div>
  );
}

const LEASES = { held: "good", over: "warn", none: "" } as const;
const WORDS = { held: "held", over: "over: nobody has taken it", none: "never held" } as const;

function Row({
  shard: { shard, owner, epoch, lease, submitLag, controlLag },
}: {
  readonly shard: ShardStatus;
}): JSX.Element {
  return (
    <tr>
      <th scope="row">{shard}</th>
      <td data-label="Lease">
        <span class={`tag ${LEASES[lease]}`}>{WORDS[lease]}</span>
      </td>
      <td data-label="Dispatcher">
        {owner === null ? (
          <span class="faint">–</span>
        ) : (
          <span class="with-copy">
            <code title={owner}>{shortId(owner)}</code>
            <CopyButton text={owner} what="dispatcher's id" />
          </span>
        )}
      </td>
      <td class="number" data-label="Epoch">
        {epoch}
      </td>
      <td class="number" data-label="Submit lane">
        {submitLag ?? "–"}
      </td>
      <td class="number" data-label="Control lane">
        {controlLag ?? "–"}
      </td>
    </tr>
  );
}
