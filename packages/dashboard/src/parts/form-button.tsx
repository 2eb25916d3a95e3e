import type { ComponentChildren, JSX, TargetedSubmitEvent } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { messageOf } from "../session.ts";
import { ActionButton, tell, useModal } from "./actions.tsx";
import type { IconName } from "./icon.tsx";

interface FormProps {
  readonly title: string;
  readonly text: ComponentChildren;
  readonly fields: ComponentChildren;
  readonly action: string;
  /** What is told when it was done. */
  readonly done: string;
  readonly send: (values: FormData) => Promise<unknown>;
}

/** A button that opens a form. What the server refuses is said in the form, which stays as it was filled in. */
export function FormButton({
  icon,
  label,
  children,
  disabled = false,
  ...form
}: FormProps & {
  readonly icon: IconName;
  readonly label: string;
  readonly children: ComponentChildren;
  readonly disabled?: boolean;
}): JSX.Element {
  // As it was when it was opened: the page goes on being drawn behind it, and what is typed is compared with that.
  const [opened, setOpened] = useState<FormProps | null>(null);
  return (
    <>
      <ActionButton icon={icon} label={label} disabled={disabled} run={async () => setOpened(form)}>
        {children}
      </ActionButton>
      {opened !== null && <FormDialog {...opened} close={() => setOpened(null)} />}
    </>
  );
}

function FormDialog({
  title,
  text,
  fields,
  action,
  done,
  send,
  close,
}: FormProps & { readonly close: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [isBusy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState("");
  useModal(dialog);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    try {
      await send(new FormData(event.currentTarget));
      tell(done);
      close();
    } catch (error) {
      setTrouble(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby={heading} onCancel={close}>
      <h2 id={heading}>{title}</h2>
      <form onSubmit={(event) => void submit(event)}>
        <p class="dialog-text">{text}</p>
        <div class="form-fields">{fields}</div>
        <p class="field-trouble" role="alert">
          {trouble}
        </p>
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            Leave it
          </button>
          <button type="submit" class="button primary" aria-disabled={isBusy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** A whole number, or nothing where `empty` says what that means. */
export function NumberField(props: {
  readonly name: string;
  readonly label: string;
  readonly value: number | null;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number | "any";
  readonly empty?: string;
}): JSX.Element {
  const { name, label, value, min, max, step = 1, empty } = props;
  return (
    <label>
      <span>{label}</span>
      <input
        type="number"
        name={name}
        defaultValue={value === null ? "" : String(value)}
        min={min}
        max={max}
        step={step}
        required={empty === undefined}
        placeholder={empty}
      />
    </label>
  );
}

/** Null where nothing was filled in. */
export function numberOf(values: FormData, name: string): number | null {
  const text = String(values.get(name) ?? "").trim();
  return text === "" ? null : Number(text);
}

/** One of some words. */
export function ChoiceField(props: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly choices: readonly string[];
}): JSX.Element {
  const { name, label, value, choices } = props;
  return (
    <label>
      <span>{label}</span>
      <select name={name}>
        {choices.map((choice) => (
          <option key={choice} value={choice} selected={choice === value}>
            {choice}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Null where none of them was chosen. */
export function choiceOf<T extends string>(values: FormData, name: string, choices: readonly T[]): T | null {
  const chosen = values.get(name);
  return choices.find((choice) => choice === chosen) ?? null;
}
