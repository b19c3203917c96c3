#include "apps/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <iostream>
#include <system_error>

#include "base/error.h"

namespace poro {
namespace {

constexpr int kHistoryLines = 1000;

std::atomic<bool> is_resized{false};

// Characters typed are wide inside the editor, so the locale must be a UTF-8 one, which a bare system's is
// not.
void use_utf8_locale() {
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || MB_CUR_MAX < 4) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

struct LineEditor::Terminal {
  std::string prompt;
  std::string history_file;
  InterruptFlag& interrupt;
  History* history = nullptr;
  EditLine* editor = nullptr;
  sigset_t signals_while_waiting = {};

  ~Terminal() {
    if (editor != nullptr) ::el_end(editor);
    if (history != nullptr) ::history_end(history);
  }

  static Terminal& of(EditLine* editor) {
    void* self = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Terminal*>(self);
  }

  // The editor's own reader tries again after a signal; this one gives up when the signal was Ctrl-C. Signals
  // come in while it waits and at no other time: one that came just before would not end the waiting.
  static int read_character(EditLine* editor, wchar_t* character) {
    Terminal& self = of(editor);
    std::mbstate_t state = {};
    while (true) {
      pollfd keyboard{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      if (self.interrupt.is_set()) return -1;
      if (::ppoll(&keyboard, 1, nullptr, &self.signals_while_waiting) < 0) {
        if (errno != EINTR) return -1;
        if (is_resized.exchange(false)) ::el_resize(editor);
        continue;
      }
      char byte = 0;
      const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
      if (count == 0) return 0;
      if (count < 0 && errno != EINTR) return -1;
      if (count < 0) continue;
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<size_t>(-1))
        state = {};  // No UTF-8: passed over.
      else if (length != static_cast<size_t>(-2))
        return 1;
    }
  }

  void open() {
    use_utf8_locale();
    history = ::history_init();
    editor = ::el_init("poro", stdin, stdout, stderr);
    if (history == nullptr || editor == nullptr)
      fail("the terminal cannot be used for line editing; pipe the conversation in instead");
    HistEvent event;
    ::history(history, &event, H_SETSIZE, kHistoryLines);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!history_file.empty()) ::history(history, &event, H_LOAD, history_file.c_str());
    ::el_set(editor, EL_CLIENTDATA, this);
    ::el_set(
        editor, EL_PROMPT_ESC, +[](EditLine* e) { return of(e).prompt.data(); }, '\1');
    ::el_set(editor, EL_EDITOR, "emacs");
    ::el_set(editor, EL_HIST, ::history, history);
    ::el_set(editor, EL_GETCFN, &read_character);
    ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    ::el_source(editor, nullptr);
    struct sigaction action = {};
    action.sa_handler = [](int) { is_resized = true; };
    ::sigaction(SIGWINCH, &action, nullptr);
  }

  void remember(const std::string& line) {
    HistEvent event;
    ::history(history, &event, H_ENTER, line.c_str());
    if (!history_file.empty()) ::history(history, &event, H_SAVE, history_file.c_str());
  }
};

LineEditor::LineEditor(std::string prompt, const std::filesystem::path& history, InterruptFlag& interrupt) {
  if (!is_terminal()) return;
  std::error_code ignored;  // A history that cannot be kept is no reason not to talk.
  if (!history.empty()) std::filesystem::create_directories(history.parent_path(), ignored);
  terminal_ = std::make_unique<Terminal>(
      Terminal{.prompt = std::move(prompt), .history_file = history, .interrupt = interrupt});
  terminal_->open();
}

LineEditor::~LineEditor() = default;

bool LineEditor::is_terminal() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

ReadOutcome LineEditor::read(std::string& line) {
  if (!terminal_) return std::getline(std::cin, line) ? ReadOutcome::kLine : ReadOutcome::kEnd;
  sigset_t held;
  ::sigemptyset(&held);
  ::sigaddset(&held, SIGINT);
  ::sigaddset(&held, SIGWINCH);
  ::pthread_sigmask(SIG_BLOCK, &held, &terminal_->signals_while_waiting);
  // Before the prompt is shown: a Ctrl-D typed between the prompt and the first look at the keyboard would be
  // taken for the end of a line by the terminal, and get lost.
  ::el_set(terminal_->editor, EL_PREP_TERM, 1);
  int length = 0;
  const char* text = ::el_gets(terminal_->editor, &length);
  ::pthread_sigmask(SIG_SETMASK, &terminal_->signals_while_waiting, nullptr);
  if (terminal_->interrupt.is_set()) {
    std::fputs("^C\n", stdout);
    std::fflush(stdout);
    return ReadOutcome::kInterrupted;
  }
  if (text == nullptr || length <= 0) return ReadOutcome::kEnd;
  line.assign(text, static_cast<size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) terminal_->remember(line);
  return ReadOutcome::kLine;
}

std::filesystem::path history_path() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != 0)
    return std::filesystem::path(state) / "poro/history";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != 0)
    return std::filesystem::path(home) / ".local/state/poro/history";
  return {};
}

}  // namespace poro
