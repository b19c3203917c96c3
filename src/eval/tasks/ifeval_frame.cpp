// IFEval's combination, start, end and punctuation: the frame of an answer.
#include "eval/python_text.h"
#include "eval/tasks/ifeval_instructions.h"

namespace poro::ifeval {

Check two_responses(const Arguments&, const Setting&) {
  return [](const std::string& answer) {
    const std::vector<std::string_view> parts = python::split(answer, "******");
    std::vector<std::string_view> responses;
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string_view response = python::strip(parts[i]);
      if (!response.empty())
        responses.push_back(response);
      else if (i != 0 && i + 1 != parts.size())
        return false;
    }
    return responses.size() == 2 && responses[0] != responses[1];
  };
}

Check repeat_prompt(const Arguments& arguments, const Setting&) {
  const std::string prompt = python::lower(python::strip(arguments.text("prompt_to_repeat")));
  return [=](const std::string& answer) { return python::lower(python::strip(answer)).starts_with(prompt); };
}

Check end_phrase(const Arguments& arguments, const Setting&) {
  const std::string phrase = python::lower(python::strip(arguments.text("end_phrase")));
  return [=](const std::string& answer) {
    return python::lower(python::strip(python::strip(answer), "\"")).ends_with(phrase);
  };
}

Check quotation(const Arguments&, const Setting&) {
  return [](const std::string& answer) {
    const std::string_view text = python::strip(answer);
    return text.size() > 1 && text.front() == '"' && text.back() == '"';
  };
}

Check no_comma(const Arguments&, const Setting&) {
  return [](const std::string& answer) { return answer.find(',') == std::string::npos; };
}

}  // namespace poro::ifeval
