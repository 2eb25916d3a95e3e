import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { mayAct, messageOf } from "../session.ts";
import { Icon, type IconName } from "./icon.tsx";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly isTrouble: boolean;
}

const TOAST_MS = 6_000;
const toasts = signal<readonly Toast[]>([]);
let lastToast = 0;

/** Tells how an action went. */
export function tell(text: string, isTrouble = false): void {
  lastToast++;
  const toast: Toast = { id: lastToast, text, isTrouble };
  toasts.value = [...toasts.value.slice(-3), toast];
  setTimeout(() => dismiss(toast.id), TOAST_MS);
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.id} class={one.isTrouble ? "toast bad" : "toast"}>
          <span>{one.text}</span>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(one.id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}

/** Runs an action and tells how it went; answers whether it did. */
export async function attempt(done: string, action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    tell(done);
    return true;
  } catch (error) {
    tell(messageOf(error), true);
    return false;
  }
}

/** A button that does something to the yard: disabled while it does, and for whoever may not. */
export function ActionButton(props: {
  readonly icon: IconName;
  readonly children: ComponentChildren;
  /** Where the text alone does not say to what. */
  readonly label?: string;
  readonly kind?: "primary" | "danger";
  readonly disabled?: boolean;
  readonly run: () => Promise<unknown> | undefined;
}): JSX.Element {
  const [isBusy, setBusy] = useState(false);
  const may = mayAct.value;
  const run = async (): Promise<void> => {
    setBusy(true);
    await props.run();
    setBusy(false);
  };
  return (
    <button
      type="button"
      class={`button ${props.kind ?? ""}`}
      disabled={isBusy || !may || props.disabled}
      {...(props.label === undefined ? {} : { "aria-label": props.label })}
      title={may ? props.label : "This takes the token of an operator or admin"}
      onClick={() => void run()}
    >
      <Icon name={props.icon} size={15} />
      <span>{props.children}</span>
    </button>
  );
}

interface Question {
  readonly title: string;
  readonly text: ComponentChildren;
  readonly action: string;
  readonly answer: (isYes: boolean) => void;
}

const question = signal<Question | null>(null);

/** Asks before what cannot be taken back. */
export function confirmed(title: string, text: ComponentChildren, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      action,
      answer: (isYes) => {
        question.value = null;
        resolve(isYes);
      },
    };
  });
}

/** The question that is asked, if any; a native dialog keeps the focus and knows Escape. */
export function Questions(): JSX.Element | null {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked !== null) dialog.current?.showModal();
  }, [asked]);
  if (asked === null) return null;
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="question" onCancel={() => asked.answer(false)}>
      <h2 id="question">{asked.title}</h2>
      <div class="dialog-text">{asked.text}</div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={() => asked.answer(false)}>
          Leave it
        </button>
        <button type="button" class="button danger" onClick={() => asked.answer(true)}>
          {asked.action}
        </button>
      </div>
    </dialog>
  );
}
