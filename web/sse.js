// @ts-check
// sse.js: the text of an event stream, in parts as they come, as its events. Each line ends with LF, as
// the server sends them; `id` and `retry` are not looked at.

export class SseReader {
  /** @param {(name: string, data: string) => void} take */
  constructor(take) {
    this.take = take;
    this.rest = '';
    this.name = '';
    this.data = '';
  }

  /** @param {string} text */
  push(text) {
    let begin = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', begin)) {
      this.line(this.rest + text.slice(begin, end));
      this.rest = '';
      begin = end + 1;
    }
    this.rest += text.slice(begin);
  }

  /** @param {string} line */
  line(line) {
    if (line.startsWith('data: ')) {
      this.data += line.slice(6);
    } else if (line.startsWith('event: ')) {
      this.name = line.slice(7);
    } else if (line === '') {
      const { name, data } = this;
      this.name = this.data = '';
      if (data) this.take(name, data);
    }
  }
}
