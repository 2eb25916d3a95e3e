import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Command } from "../parts/basics.tsx";
import { refusal, signIn } from "../session.ts";

export function SignInPage(): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    await signIn(input.current?.value ?? "");
    setBusy(false);
  };
  return (
    <main class="sign-in" id="main">
      <div class="sign-in-card">
        <img src="/icon.svg" alt="" width={44} height={44} />
        <h1>Sign in to the yard</h1>
        <p class="note">Paste a token of a viewer, an operator or an admin. It stays with this tab.</p>
        <form onSubmit={(event) => void submit(event)}>
          <label for="token">Token</label>
          <input
            id="token"
            ref={input}
            type="password"
            name="token"
            autocomplete="current-password"
            spellcheck={false}
            placeholder="ymt_…"
            aria-describedby="refusal"
            aria-invalid={refusal.value !== ""}
            required
          />
          <p id="refusal" class="field-trouble" role="alert">
            {refusal.value}
          </p>
          <button type="submit" class="button primary wide" disabled={isBusy}>
            {isBusy ? "Asking…" : "Sign in"}
          </button>
        </form>
        <details class="sign-in-help">
          <summary>Where do I find one?</summary>
          <p>
            The first <code>yardmaster serve</code> printed an admin's token and a link that signs you in. Its
            file,
            <code> yard.db.tokens</code> beside the yard, only knows its digest: remove the file, and the next
            start makes another.
          </p>
          <Command text="npx yardmaster serve" />
        </details>
      </div>
    </main>
  );
}
