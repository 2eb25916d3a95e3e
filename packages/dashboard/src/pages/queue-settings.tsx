import type { JSX } from "preact";
import { ORDERS, PLACEMENTS, type QueueChanges, type QueueStatus } from "yardmaster/http-client";
import { ChoiceField, choiceOf, FormButton, NumberField, numberOf } from "../parts/form-button.tsx";
import { client } from "../session.ts";

export type QueueSettings = NonNullable<QueueStatus["settings"]>;

const SECOND_MS = 1_000;

/** Changes a queue's order, limits and share of the workers while it runs. */
export function SettingsButton(props: {
  readonly queue: QueueStatus;
  readonly settings: QueueSettings;
}): JSX.Element {
  const { queue, settings } = props;
  const { name } = queue;
  return (
    <FormButton
      icon="tune"
      label={`Change settings of queue ${name}`}
      title={`Change queue ${name}`}
      text="What runs goes on; the next task that starts is counted by the new settings. A field left empty is no limit."
      fields={<Fields queue={queue} settings={settings} />}
      action="Change it"
      done={`Queue ${name} is changed`}
      send={(values) => client.value.configure(name, changesOf(values, queue, settings))}
    >
      Change
    </FormButton>
  );
}

function Fields(props: { readonly queue: QueueStatus; readonly settings: QueueSettings }): JSX.Element {
  const { order, placement } = props.queue;
  const { weight, precedence, concurrency, rate } = props.settings;
  return (
    <>
      <div class="form-pair">
        <ChoiceField name="order" label="Order" value={order} choices={ORDERS} />
        <ChoiceField name="placement" label="Placement" value={placement} choices={PLACEMENTS} />
      </div>
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
function changesOf(
  values: FormData,
  { order, placement }: QueueStatus,
  { weight, precedence, concurrency, rate }: QueueSettings,
): QueueChanges {
  const now = {
    order: choiceOf(values, "order", ORDERS) ?? order,
    placement: choiceOf(values, "placement", PLACEMENTS) ?? placement,
    weight: numberOf(values, "weight") ?? weight,
    precedence: numberOf(values, "precedence") ?? precedence,
    concurrency: numberOf(values, "concurrency"),
    rate: rateOf(values),
  };
  return {
    ...(now.order === order ? {} : { order: now.order }),
    ...(now.placement === placement ? {} : { placement: now.placement }),
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
