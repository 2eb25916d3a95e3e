import { signal } from "@preact/signals";
import type { ComponentChildren, JSX, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
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

/** A button that does something to the yard, once at a time: while it does it keeps the focus. Disabled for whoever may not. */
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
    if (isBusy) return;
    setBusy(true);
    await props.run();
    setBusy(false);
  };
  return (
    <button
      type="button"
      class={`button ${props.kind ?? ""}`}
      disabled={!may || props.disabled}
      aria-disabled={isBusy}
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

/** Opens a native dialog, which keeps the focus and knows Escape, and gives the focus back when it goes. */
export function useModal(dialog: RefObject<HTMLDialogElement | null>): void {
  const before = useRef(document.activeElement);
  // Of the layout: an ordinary effect gives the focus back a frame after the dialog is gone, and what is typed meanwhile is lost.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
      // A dialog that goes while its page is drawn anew gives the focus to nobody.
      if (before.current instanceof HTMLElement) before.current.focus();
    };
  }, [dialog]);
}

/** The question that is asked, if any. */
export function Questions(): JSX.Element | null {
  const asked = question.value;
  return asked === null ? null : <QuestionDialog asked={asked} />;
}

function QuestionDialog({ asked }: { readonly asked: Question }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useModal(dialog);
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
