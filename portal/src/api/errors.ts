/** What went wrong with a request, in the API's words. */
import { texts } from "@/texts";

export class ApiError extends Error {
  /**
   * @param status of the answer; 0 if there was none: the connection was lost, or the server does not run.
   * @param code of the API, such as `BadRequestInvalidUrl`.
   * @param requestId with which the server's log names the request.
   */
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly requestId: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

interface Refusal {
  code?: string;
  message?: string;
  statusCode?: number;
  error?: { code?: string; message?: string };
}

/** The error of an answer that is not 2xx. */
export async function errorOf(response: Response): Promise<ApiError> {
  const id = response.headers.get("apim-request-id");
  let said: Refusal = {};
  try {
    said = (await response.json()) as Refusal;
  } catch {
    // A proxy in between may answer with a page.
  }
  const { code, message } = said.error ?? said;
  const text = message ?? texts.errors.answered(response.status, response.statusText);
  return new ApiError(text, response.status, code ?? String(response.status), id);
}

export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return texts.errors.unknown;
}
