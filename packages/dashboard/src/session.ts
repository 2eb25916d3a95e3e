import { computed, effect, signal } from "@preact/signals";
import { HttpClient, ProblemError, type SessionAnswer } from "yardmaster/http-client";

const KEY = "yardmaster.token";
const CHANNEL = "yardmaster.token";
const TOKEN = /^#token=([\x21-\x7e]{1,512})$/;

const token = signal<string | null>(null);
/** Who is signed in; null before the server has said so. */
export const session = signal<SessionAnswer | null>(null);
/** Why signing in did not work; "" where it did or was not tried. */
export const refusal = signal("");
export const isStarting = signal(true);

export const client = computed(() => new HttpClient({ url: location.origin, token: token.value ?? "" }));
export const isSignedIn = computed(() => token.value !== null && session.value !== null);
/** Whether the token may change anything. */
export const mayAct = computed(() => session.value?.role === "operator" || session.value?.role === "admin");

/**
 * Takes the token of a link (`/#token=…`, never sent to a server), of this tab, or of another one that is open. It is
 * kept with the tab and forgotten with it.
 */
export async function start(): Promise<void> {
  const [, given] = TOKEN.exec(location.hash) ?? [];
  if (given !== undefined) history.replaceState(null, "", location.pathname + location.search);
  const known = given ?? sessionStorage.getItem(KEY) ?? (await fromOtherTab());
  if (known !== null) await signIn(known);
  shareWithTabs();
  isStarting.value = false;
}

export async function signIn(text: string): Promise<void> {
  const trimmed = text.trim();
  refusal.value = "";
  if (!/^[\x21-\x7e]{1,512}$/.test(trimmed)) {
    refusal.value = "This is no token: it has no spaces, and starts with ymt_ where Yardmaster made it.";
    return;
  }
  try {
    const answer = await new HttpClient({ url: location.origin, token: trimmed }).session();
    if (answer.role === "producer") {
      refusal.value =
        "A producer's token submits tasks and sees no others: use one of a viewer, operator or admin.";
      return;
    }
    sessionStorage.setItem(KEY, trimmed);
    token.value = trimmed;
    session.value = answer;
  } catch (error) {
    const isUnknown = error instanceof ProblemError && error.problem.code === "UNAUTHENTICATED";
    if (isUnknown) sessionStorage.removeItem(KEY);
    refusal.value = isUnknown ? "The server does not know this token." : messageOf(error);
  }
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  token.value = null;
  session.value = null;
}

/** What went wrong, for people. A token that is no longer known ends the session. */
export function messageOf(error: unknown): string {
  if (!(error instanceof ProblemError)) return "The server cannot be reached.";
  if (error.problem.code === "UNAUTHENTICATED" && token.value !== null) {
    signOut();
    refusal.value = "The server does not know this token any more.";
  }
  return error.problem.detail;
}

const OTHER_TAB_MS = 150;

/** A link that is opened in a new tab needs no second login. Only pages of this origin hear it. */
function fromOtherTab(): Promise<string | null> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL);
    const end = (found: string | null): void => {
      channel.close();
      resolve(found);
    };
    channel.onmessage = ({ data }) => {
      if (typeof data === "string" && data !== "") end(data);
    };
    channel.postMessage("");
    setTimeout(() => end(null), OTHER_TAB_MS);
  });
}

function shareWithTabs(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    if (data === "" && token.value !== null) channel.postMessage(token.value);
  };
}

/** Calls back now and whenever somebody else signs in. */
export function onSession(run: (signedIn: boolean) => void): () => void {
  return effect(() => run(isSignedIn.value));
}
