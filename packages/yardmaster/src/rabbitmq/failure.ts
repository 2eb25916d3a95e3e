import { InvariantError, messageOf, YardmasterError } from "../protocol/errors.ts";

/** AMQP's reply codes. */
const ACCESS_REFUSED = 403;
const NOT_FOUND = 404;
const NOT_ALLOWED = 530;

/** The error to throw for one that the driver threw. `where` is the server's address; defects pass as they are. */
export function translate(error: unknown, where: string): unknown {
  if (error instanceof YardmasterError || error instanceof InvariantError || error instanceof TypeError) {
    return error;
  }
  const reason = reasonOf(error);
  const denial = denialOf(error, reason);
  if (denial !== null) {
    const message = `RabbitMQ at ${where} refuses this client: ${denial} (${reason})`;
    return new YardmasterError("ENGINE_DENIED", message, { cause: error });
  }
  const message = `RabbitMQ at ${where} cannot be used at the moment: ${reason}`;
  return new YardmasterError("BROKER_UNAVAILABLE", message, { cause: error });
}

/** Whether a call failed for want of the queue. */
export function isNotFound(error: unknown): boolean {
  return error instanceof YardmasterError && codeOf(error.cause) === NOT_FOUND;
}

/** Whether a queue could not be declared because it exists and is of another kind. */
export function isOtherKind(error: unknown): boolean {
  return error instanceof YardmasterError && messageOf(error.cause).includes("inequivalent arg");
}

/** Whether the driver found its connection closed: there is nothing to wait for. */
export function isConnectionClosed(error: unknown): boolean {
  return error instanceof Error && error.name === "IllegalOperationError";
}

/** What the client is denied, and what to do; null when nothing is. */
function denialOf(error: unknown, reason: string): string | null {
  const code = codeOf(error);
  if (reason.includes("Login was refused")) {
    return "user or password is wrong, or the user may not come from this machine; check the URL";
  }
  // The driver does not tell with what words the server closed the connection.
  if (code === NOT_ALLOWED || reason.startsWith("Expected ConnectionOpenOk")) {
    return "its vhost does not exist or is not open to this user; create it, or grant the permissions";
  }
  if (code === ACCESS_REFUSED) {
    return "a permission is missing; grant it with rabbitmqctl set_permissions";
  }
  if (typeof code === "string" && TLS_CODES.test(code)) {
    return "TLS fails; check the scheme, the port and the certificates (NODE_EXTRA_CA_CERTS)";
  }
  return null;
}

/** The text that matters: the driver wraps the server's in its own. */
function reasonOf(error: unknown): string {
  const text = messageOf(error);
  const [, reply] = /with message "([^"]*)"/.exec(text) ?? [];
  return reply ?? (text === "" ? String(codeOf(error)) : text.trim());
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : null;
}

const TLS_CODES = /^(ERR_SSL|ERR_TLS|EPROTO|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/;
