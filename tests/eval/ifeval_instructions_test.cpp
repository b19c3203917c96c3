// Every instruction type with answers that follow it and answers that do not, in both languages.
#include "eval/tasks/ifeval_instructions.h"

#include <set>

#include "tests/eval/eval_data.h"

namespace poro::ifeval {
namespace {

struct Case {
  const char* id;
  const char* arguments;
  const char* language;
  std::string answer;
  bool follows;
};

bool follows(const Case& c, Models& models) {
  const Setting setting{language(c.language), models};
  return make_check(c.id, Arguments(nlohmann::json::parse(c.arguments), "test"), setting)(c.answer) > 0.5;
}

void expect_all(std::initializer_list<Case> cases) {
  Models models;
  for (const Case& c : cases)
    EXPECT_EQ(follows(c, models), c.follows)
        << c.id << " " << c.arguments << " (" << c.language << "): " << c.answer;
}

TEST(IfevalInstructions, Keywords) {
  expect_all({
      {"keywords:existence", R"({"keywords": ["salt", "boat"]})", "en", "A BOATMAN carries salty nets.",
       true},
      {"keywords:existence", R"({"keywords": ["salt", "boat"]})", "en", "A boatman carries nets.", false},
      {"keywords:existence", R"({"keywords": ["järvi", "ÄITI"]})", "fi", "Järvi kimmelsi, ja äiti souti.",
       true},
      {"keywords:existence", R"({"keywords": ["järvi"]})", "fi", "Jarvi kimmelsi.", false},
      {"keywords:existence", R"({"keywords": ["colou?r"]})", "en", "The color fades.",
       true},  // A regular expression.
      {"keywords:frequency", R"({"keyword": " oar ", "frequency": 2, "relation": "at least"})", "en",
       "Oar by oar.", true},
      {"keywords:frequency", R"({"keyword": "oar", "frequency": 2, "relation": "at least"})", "en",
       "One oar.", false},
      {"keywords:frequency", R"({"keyword": "airo", "frequency": 2, "relation": "less than"})", "fi",
       "Airo katkesi.", true},
      {"keywords:frequency", R"({"keyword": "airo", "frequency": 2, "relation": "less than"})", "fi",
       "Airot ja airo.", false},
      {"keywords:forbidden_words", R"({"forbidden_words": ["fish"]})", "en", "Fishing is over.", true},
      {"keywords:forbidden_words", R"({"forbidden_words": ["fish"]})", "en", "No FISH today.", false},
      // The letter i with and without dots is one to Python where case does not count.
      {"keywords:forbidden_words", R"({"forbidden_words": ["I"]})", "en", "the letter ı here", false},
      {"keywords:existence", R"({"keywords": ["in[aio]"]})", "en", "İNİ", true},
      {"keywords:forbidden_words", R"({"forbidden_words": ["yö"]})", "fi", "Yöllä satoi.", true},
      {"keywords:forbidden_words", R"({"forbidden_words": ["yö"]})", "fi", "Tuli yö, ja satoi.", false},
      {"keywords:letter_frequency", R"({"letter": "N", "let_frequency": 3, "let_relation": "at least"})",
       "en", "Nine nets", true},
      {"keywords:letter_frequency", R"({"letter": "n", "let_frequency": 3, "let_relation": "less than"})",
       "en", "Nine nets", false},
      {"keywords:letter_frequency", R"({"letter": "t", "let_frequency": 3, "let_relation": "at least"})",
       "fi", "Tässä Ähtärissä tuulee", true},
      {"keywords:letter_frequency", R"({"letter": "t", "let_frequency": 3, "let_relation": "at least"})",
       "fi", "Tässä Ähtärissä", false},
      // No letter: what most letters get.
      {"keywords:letter_frequency", R"({"letter": "#", "let_frequency": 2, "let_relation": "at least"})",
       "en", "The quick brown fox jumps over the lazy dog; the quick brown fox jumps over the lazy dog.",
       true},
      {"keywords:letter_frequency", R"({"letter": "#", "let_frequency": 2, "let_relation": "at least"})",
       "en", "####", false},
      {"keywords:letter_frequency", R"({"letter": "ä", "let_frequency": 2, "let_relation": "at least"})",
       "fi", "Tässä Ähtärissä", false},
      {"keywords:letter_frequency", R"({"letter": "ab", "let_frequency": 1, "let_relation": "less than"})",
       "en", "ab", true},
  });
}

TEST(IfevalInstructions, WordsAndParagraphs) {
  expect_all({
      {"length_constraints:number_words", R"({"num_words": 4, "relation": "at least"})", "en",
       "It's well-known.", true},
      {"length_constraints:number_words", R"({"num_words": 5, "relation": "at least"})", "en",
       "It's well-known.", false},
      {"length_constraints:number_words", R"({"num_words": 3.0, "relation": "less than"})", "fi",
       "Yö lähestyy.", true},
      {"length_constraints:number_words", R"({"num_words": 2, "relation": "less than"})", "fi",
       "Yö lähestyy.", false},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs": 2})", "en", "One\n***\nTwo\n***", true},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs": 2})", "en", "One\n\nTwo", false},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs": 3})", "en", "One\n***\n***\nTwo", false},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs": 2})", "fi", "Eka *** Toka", true},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs": 2})", "fi", "Eka *** Toka *** Kolmas",
       false},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"})", "en",
       "First this.\n\n\"then, that.", true},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"})", "en",
       "First this.\n\nAnd then that.", false},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "then"})", "en",
       "First this.\n\nThen that.", false},
      // An empty paragraph does not count, but takes a place.
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"})", "en",
       "First this.\n\n\n\nThen that.", false},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "Äiti"})", "fi", "Äiti? Niin.", true},
      // Lowered letter by letter, the last sigma is no final one: so the original.
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "ΛΌΓΟΣ"})", "en", "ΛΌΓΟΣ here", false},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "Äiti"})", "fi", "Äitini tuli.", false},
  });
}

TEST(IfevalInstructions, Sentences) {
  SKIP_WITHOUT_EVAL_DATA();
  expect_all({
      {"length_constraints:number_sentences", R"({"num_sentences": 2, "relation": "at least"})", "en",
       "Dr. Hall came at 5 p.m. yesterday. He left!", true},
      {"length_constraints:number_sentences", R"({"num_sentences": 3, "relation": "at least"})", "en",
       "Dr. Hall came at 5 p.m. yesterday. He left!", false},
      {"length_constraints:number_sentences", R"({"num_sentences": 3, "relation": "less than"})", "fi",
       "Satoi. Sitten paistoi.", true},
      {"length_constraints:number_sentences", R"({"num_sentences": 2, "relation": "less than"})", "fi",
       "Satoi. Sitten paistoi.", false},
  });
}

TEST(IfevalInstructions, Format) {
  expect_all({
      {"detectable_content:number_placeholders", R"({"num_placeholders": 2})", "en",
       "[name] of [a [nested] one]", true},
      {"detectable_content:number_placeholders", R"({"num_placeholders": 2})", "en",
       "[name\nover two lines] of [town]", false},
      {"detectable_content:number_placeholders", R"({"num_placeholders": 1})", "fi", "Terveisin [nimi]",
       true},
      {"detectable_content:number_placeholders", R"({"num_placeholders": 1})", "fi", "Terveisin (nimi)",
       false},
      {"detectable_content:postscript", R"({"postscript_marker": "P.S."})", "en", "Bye.\np. s. Call me",
       true},
      {"detectable_content:postscript", R"({"postscript_marker": "P.S."})", "en", "Bye.\nPS: call me", false},
      {"detectable_content:postscript", R"({"postscript_marker": "P.P.S"})", "en", "Bye. P.P.S more", true},
      {"detectable_content:postscript", R"({"postscript_marker": "P.P.S"})", "en", "Bye. P.S. more", false},
      {"detectable_content:postscript", R"({"postscript_marker": "JK."})", "fi", "Hei hei.\njk. Soita", true},
      {"detectable_content:postscript", R"({"postscript_marker": "JK."})", "fi", "Hei hei.", false},
      {"detectable_format:number_bullet_lists", R"({"num_bullets": 3})", "en", "* one\n - two\n  * three",
       true},
      {"detectable_format:number_bullet_lists", R"({"num_bullets": 2})", "en", "**bold**\n* one", false},
      {"detectable_format:number_bullet_lists", R"({"num_bullets": 1})", "fi", "Lista:\n- yksi", true},
      {"detectable_format:number_bullet_lists", R"({"num_bullets": 1})", "fi", "- yksi\n- kaksi", false},
      {"detectable_format:constrained_response", "{}", "en", "Well: My answer is maybe. So be it.", true},
      {"detectable_format:constrained_response", "{}", "en", "my answer is maybe.", false},
      {"detectable_format:constrained_response", "{}", "fi", "Vastaukseni on ehkä.", true},
      {"detectable_format:constrained_response", "{}", "fi", "My answer is yes.", false},
      {"detectable_format:number_highlighted_sections", R"({"num_highlights": 2})", "en", "*one* and **two**",
       true},
      {"detectable_format:number_highlighted_sections", R"({"num_highlights": 1})", "en",
       "** ** and *over\nlines*", false},
      {"detectable_format:number_highlighted_sections", R"({"num_highlights": 2})", "fi", "*yksi* ja *kaksi*",
       true},
      {"detectable_format:number_highlighted_sections", R"({"num_highlights": 2})", "fi", "*yksi* ja kaksi",
       false},
      // White space is Python's: U+001C is some, U+180E is none.
      {"detectable_format:multiple_sections", R"({"section_spliter": "PART", "num_sections": 1})", "en",
       "PART\x1c"
       "1",
       true},
      {"detectable_format:multiple_sections", R"({"section_spliter": "PART", "num_sections": 1})", "en",
       "PART\u180e1", false},
      {"detectable_format:multiple_sections", R"({"section_spliter": "PART", "num_sections": 2})", "en",
       "PART 1\na\nPART2\nb", true},
      {"detectable_format:multiple_sections", R"({"section_spliter": "PART", "num_sections": 2})", "en",
       "Part 1\na\nPart 2\nb", false},
      {"detectable_format:multiple_sections", R"({"section_spliter": null, "num_sections": 1})", "fi",
       "JAKSO 1: alku", true},
      {"detectable_format:multiple_sections", R"({"section_spliter": null, "num_sections": 1})", "fi",
       "Section 1: alku", false},
      {"detectable_format:title", "{}", "en", "<<A title>>\nText", true},
      {"detectable_format:title", "{}", "en", "<< >>\nText", false},
      {"detectable_format:title", "{}", "fi", "Alku <<Otsikko>>", true},
      {"detectable_format:title", "{}", "fi", "<<Otsikko\n>>", false},
  });
}

TEST(IfevalInstructions, Json) {
  expect_all({
      {"detectable_format:json_format", "{}", "en", " ```json\n{\"a\": [1, 2.5e3, null]}\n``` ", true},
      {"detectable_format:json_format", "{}", "en", "[NaN, -Infinity, \"\\ud800\", 1e999]",
       true},  // Python takes them.
      {"detectable_format:json_format", "{}", "en", "Here: {\"a\": 1}", false},
      // Python makes no int of more than 4,300 digits, but a float of any.
      {"detectable_format:json_format", "{}", "en", "[-" + std::string(4300, '9') + "]", true},
      {"detectable_format:json_format", "{}", "en", "[" + std::string(4301, '9') + "]", false},
      {"detectable_format:json_format", "{}", "en", std::string(4301, '9') + ".0", true},
      {"detectable_format:json_format", "{}", "en", "{\"a\": 1,}", false},
      {"detectable_format:json_format", "{}", "en", "{'a': 1}", false},
      {"detectable_format:json_format", "{}", "en", "[01]", false},
      {"detectable_format:json_format", "{}", "en", "\"a\nb\"", false},
      {"detectable_format:json_format", "{}", "en", "```json\n```", false},
      {"detectable_format:json_format", "{}", "fi", "{\"nimi\": \"Äänekoski\"}", true},
      {"detectable_format:json_format", "{}", "fi", "{nimi: \"Äänekoski\"}", false},
  });
}

TEST(IfevalInstructions, Frame) {
  expect_all({
      {"combination:two_responses", "{}", "en", "One.\n******\nTwo.", true},
      {"combination:two_responses", "{}", "en", "Same.\n******\nSame.", false},
      {"combination:two_responses", "{}", "en", "One.****** ******Two.", false},
      {"combination:two_responses", "{}", "fi", "******Yksi.******Kaksi.", true},
      {"combination:two_responses", "{}", "fi", "Yksi. Kaksi.", false},
      {"combination:repeat_prompt", R"({"prompt_to_repeat": "Say it. "})", "en", " say IT. There.", true},
      {"combination:repeat_prompt", R"({"prompt_to_repeat": "Say it."})", "en", "Sure! Say it.", false},
      {"combination:repeat_prompt", R"({"prompt_to_repeat": "ÄLÄ odota."})", "fi", "Älä odota. Mene.", true},
      {"combination:repeat_prompt", R"({"prompt_to_repeat": "Älä odota."})", "fi", "Odota.", false},
      {"startend:end_checker", R"({"end_phrase": " Peace out. "})", "en", "Bye. PEACE OUT.\" ", true},
      {"startend:end_checker", R"({"end_phrase": "Peace out."})", "en", "Peace out. Bye.", false},
      {"startend:end_checker", R"({"end_phrase": "Onko muita kysymyksiä?"})", "fi",
       "Valmis. Onko muita kysymyksiä?", true},
      {"startend:end_checker", R"({"end_phrase": "Onko muita kysymyksiä?"})", "fi", "Any other questions?",
       false},
      {"startend:quotation", "{}", "en", "\n\"All of it.\" ", true},
      {"startend:quotation", "{}", "en", "\"", false},
      {"startend:quotation", "{}", "fi", "\"Kaikki.\"", true},
      {"startend:quotation", "{}", "fi", "”Kaikki.”", false},
      {"punctuation:no_comma", "{}", "en", "None; at all.", true},
      {"punctuation:no_comma", "{}", "en", "One, here.", false},
      {"punctuation:no_comma", "{}", "fi", "Ei yhtään、ei.", true},
      {"punctuation:no_comma", "{}", "fi", "Yksi, vain.", false},
  });
}

TEST(IfevalInstructions, CaseAndLanguage) {
  SKIP_WITHOUT_EVAL_DATA();
  const char* english =
      "The weather in the mountains changes within minutes, and every walker should carry a coat.";
  const char* finnish =
      "Sää vaihtuu vuoristossa minuuteissa, ja jokaisen kulkijan pitäisi ottaa takki mukaan.";
  const char* capitals =
      "THE WEATHER IN THE MOUNTAINS CHANGES WITHIN MINUTES, AND EVERY WALKER SHOULD CARRY A COAT.";
  expect_all({
      {"language:response_language", R"({"language": "en"})", "en", english, true},
      {"language:response_language", R"({"language": "en"})", "en", finnish, false},
      {"language:response_language", R"({"language": "en"})", "en", "123 ...",
       true},  // Nothing to judge by: passes.
      {"language:response_language", R"({"language": "fi"})", "fi", finnish, true},
      {"language:response_language", R"({"language": "fi"})", "fi", english, false},
      {"language:response_language", R"({"language": "sv"})", "fi",
       "Vädret i bergen växlar på några minuter, så ta med dig en jacka.", true},
      {"language:response_language", R"({"language": "hi"})", "fi", "पहाड़ों में मौसम मिनटों में बदल जाता है।",
       false},  // No language of the original's identifier.
      {"language:response_language", R"({"language": "fi"})", "fi", "\n\n",
       false},  // No language found: fails.
      {"change_case:english_capital", "{}", "en", capitals, true},
      {"change_case:english_capital", "{}", "en", english, false},
      {"change_case:english_capital", "{}", "fi", capitals,
       true},  // The Finnish task keeps the demand for English.
      {"change_case:english_capital", "{}", "fi",
       "SÄÄ VAIHTUU VUORISTOSSA MINUUTEISSA, JA JOKAISEN KULKIJAN PITÄISI OTTAA TAKKI MUKAAN.", false},
      {"change_case:english_lowercase", "{}", "en", "the weather in the mountains changes within minutes.",
       true},
      {"change_case:english_lowercase", "{}", "en", english, false},
      {"change_case:english_lowercase", "{}", "fi", "the weather in the mountains changes within minutes.",
       true},
      {"change_case:english_lowercase", "{}", "fi", "sää vaihtuu vuoristossa minuuteissa.", false},
      {"change_case:capital_word_frequency", R"({"capital_frequency": 2, "capital_relation": "at least"})",
       "en", "A well-MADE coat for the WHOLE TRIP.", true},
      {"change_case:capital_word_frequency", R"({"capital_frequency": 4, "capital_relation": "at least"})",
       "en", "A well-MADE coat for the WHOLE TRIP.", false},
      {"change_case:capital_word_frequency", R"({"capital_frequency": 2, "capital_relation": "less than"})",
       "fi", "Vain YKSI sana.", true},
      {"change_case:capital_word_frequency", R"({"capital_frequency": 2, "capital_relation": "less than"})",
       "fi", "KAKSI ISOA sanaa.", false},
  });
}

TEST(IfevalInstructions, ThereAreTwentyFive) {
  const std::vector<std::string_view> ids = instruction_ids();
  EXPECT_EQ(std::set<std::string_view>(ids.begin(), ids.end()).size(), 25u);
}

std::string error_of(const char* id, const char* arguments) {
  try {
    Models models;
    make_check(id, Arguments(nlohmann::json::parse(arguments), "prompts.jsonl, line 3"),
               {language("en"), models});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(IfevalInstructions, WrongArgumentsAreErrorsThatSayWhere) {
  EXPECT_NE(error_of("keywords:existence", "{}").find("prompts.jsonl, line 3"), std::string::npos);
  EXPECT_NE(error_of("keywords:existence", R"({"keywords": [1]})").find("keywords"), std::string::npos);
  EXPECT_NE(error_of("keywords:existence", R"({"keywords": ["(a"]})").find("regular expression"),
            std::string::npos);
  EXPECT_NE(error_of("length_constraints:number_words", R"({"num_words": -1, "relation": "at least"})")
                .find("num_words"),
            std::string::npos);
  EXPECT_NE(
      error_of("length_constraints:number_words", R"({"num_words": 1, "relation": "about"})").find("about"),
      std::string::npos);
  EXPECT_NE(error_of("length_constraints:nth_paragraph_first_word",
                     R"({"num_paragraphs": 1, "nth_paragraph": 2, "first_word": "a"})")
                .find("no paragraph 2"),
            std::string::npos);
  EXPECT_NE(error_of("keywords:existance", "{}").find("keywords:existance"), std::string::npos);
}

}  // namespace
}  // namespace poro::ifeval
