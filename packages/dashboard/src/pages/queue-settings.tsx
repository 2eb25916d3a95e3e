import type { JSX } from "preact";
import type { QueueChanges, QueueStatus } from "yardmaster/http-client";
import { FormButton, NumberField, numberOf } from "../parts/form-button.tsx";
import { client } from "../session.ts";

export type QueueSettings = NonNullable<QueueStatus["settings"]>;

const SECOND_MS = 1_000;

/** Changes a queue's limits and its share of the workers while it runs. */
export function SettingsButton({
  name,
  settings,
}: {
  readonly name: string;
  readonly settings: QueueSettings;
}): JSX.Element {
  return (
    <FormButton
      icon="tune"
      label={`Change settings of queue ${name}`}
      title={`Change queue ${name}`}
      text="What runs goes on; the next task that starts is counted by the new settings. A field left empty is no limit."
      fields={<Fields settings={settings} />}
      action="Change it"
      done={`Queue ${name} is changed`}
      send={(values) => client.value.configure(name, changesOf(values, settings))}
    >
      Change
    </FormButton>
  );
}

function Fields({ settings }: { readonly settings: QueueSettings }): JSX.Element {
  const { weight, precedence, concurrency, rate } = settings;
  return (
    <>
      <NumberField name="weight" label="Weight" value={weight} min={1} />
      <NumberField name="precedence" label="Precedence" value={precedence} />
      <NumberField
        name="concurrency"
        label="Most at a time"
        value={concurrency === 0 ? null : concurrency}
        min={1}
        empty="no limit"
      />
      <fieldset>
        <legend>Rate</legend>
        <NumberField name="limit" label="Starts" value={rate?.limit ?? null} min={1} empty="no limit" />
        <NumberField
          name="seconds"
          label="Per seconds"
          value={(rate?.perMs ?? SECOND_MS) / SECOND_MS}
          min={0.001}
          step="any"
        />
        <NumberField name="burst" label="Burst" value={rate?.burst ?? 1} min={1} />
      </fieldset>
    </>
  );
}

/** Only what was changed here, so that what somebody else has changed meanwhile stays. */
function changesOf(values: FormData, { weight, precedence, concurrency, rate }: QueueSettings): QueueChanges {
  const now = {
    weight: numberOf(values, "weight") ?? weight,
    precedence: numberOf(values, "precedence") ?? precedence,
    concurrency: numberOf(values, "concurrency"),
    rate: rateOf(values),
  };
  return {
    ...(now.weight === weight ? {} : { weight: now.weight }),
    ...(now.precedence === precedence ? {} : { precedence: now.precedence }),
    ...((now.concurrency ?? 0) === concurrency ? {} : { concurrency: now.concurrency }),
    ...(isSame(now.rate, rate) ? {} : { rate: now.rate }),
  };
}

function rateOf(values: FormData): QueueSettings["rate"] {
  const limit = numberOf(values, "limit");
  if (limit === null) return null;
  const perMs = Math.round((numberOf(values, "seconds") ?? 1) * SECOND_MS);
  return { limit, perMs, burst: numberOf(values, "burst") ?? 1 };
}

function isSame(a: QueueSettings["rate"], b: QueueSettings["rate"]): boolean {
  return a?.limit === b?.limit && a?.perMs === b?.perMs && a?.burst === b?.burst;
}
