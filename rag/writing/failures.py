"""The kinds of failure of a language model's server, each with what may be shown to a user.

A table of words; which failure is of which kind is decided where the server is spoken to
(rag.writing.kinds, rag.writing.model).
"""

from __future__ import annotations

from ..errors import ModelError

# kind: (code, whether asking again unchanged may work, English, Vietnamese)
_KINDS: dict[str, tuple[str, bool, str, str]] = {
    "timeout": (
        "timeout",
        True,
        "The model's server did not begin to answer in time. Ask again, or raise "
        "HEADWATER_FIRST_WORD_TIMEOUT for a slow model.",
        "Máy chủ mô hình không bắt đầu trả lời kịp. Hãy hỏi lại, hoặc tăng "
        "HEADWATER_FIRST_WORD_TIMEOUT nếu mô hình chậm.",
    ),
    "too_long_answer": (
        "timeout",
        True,
        "The answer was ended after {seconds:g} seconds, the longest that one may take "
        "(HEADWATER_MAX_ANSWER_SECONDS). Ask for less at once.",
        "Câu trả lời bị dừng sau {seconds:g} giây, thời gian dài nhất được phép "
        "(HEADWATER_MAX_ANSWER_SECONDS). Hãy hỏi ít hơn trong một lần.",
    ),
    "rate_limited": (
        "rate_limited",
        True,
        "The model's server says: too many requests. Wait a little and ask again.",
        "Máy chủ mô hình báo quá nhiều yêu cầu. Hãy đợi một chút rồi hỏi lại.",
    ),
    "quota": (
        "quota_exceeded",
        False,
        "The quota at the model's server is used up. Waiting does not help: raise it there, or "
        "choose another key or server.",
        "Hạn mức tại máy chủ mô hình đã hết. Chờ cũng không được: hãy tăng hạn mức ở đó, hoặc chọn "
        "khóa hay máy chủ khác.",
    ),
    "balance": (
        "quota_exceeded",
        False,
        "The account at the model's server has no money left. Add credit there, or choose another "
        "key or server.",
        "Tài khoản tại máy chủ mô hình đã hết tiền. Hãy nạp thêm ở đó, hoặc chọn khóa hay máy chủ "
        "khác.",
    ),
    "loading": (
        "model_loading",
        True,
        "The model is still being loaded by its server. Ask again in a moment.",
        "Máy chủ vẫn đang nạp mô hình. Hãy hỏi lại sau giây lát.",
    ),
    "server_error": (
        "server_error",
        True,
        "The model's server failed. Ask again in a moment.",
        "Máy chủ mô hình gặp lỗi. Hãy hỏi lại sau giây lát.",
    ),
    "unreadable": (
        "server_error",
        True,
        "The model's server sent something that cannot be read. Ask again.",
        "Máy chủ mô hình gửi dữ liệu không đọc được. Hãy hỏi lại.",
    ),
    "overlong": (
        "server_error",
        True,
        "The model's server sent more than 1 MB without an end. Ask again, or choose another "
        "model or server.",
        "Máy chủ mô hình gửi hơn 1 MB mà không kết thúc. Hãy hỏi lại, hoặc chọn mô hình hay máy "
        "chủ khác.",
    ),
    "too_much": (
        "server_error",
        True,
        "The answer was ended after {megabytes} MB, the most that one may have. Ask for less at "
        "once, or choose another model or server.",
        "Câu trả lời bị dừng sau {megabytes} MB, lượng nhiều nhất được phép. Hãy hỏi ít hơn trong "
        "một lần, hoặc chọn mô hình hay máy chủ khác.",
    ),
    "page": (
        "server_error",
        True,
        "A web page came instead of the model's answer: from a proxy, a sign-in, or a server that "
        "is down. Check the network and OPENAI_BASE_URL.",
        "Nhận được một trang web thay vì câu trả lời của mô hình: từ proxy, trang đăng nhập hoặc "
        "máy chủ đang hỏng. Hãy kiểm tra mạng và OPENAI_BASE_URL.",
    ),
    "no_server": (
        "no_server",
        False,
        "There is no chat server at {url}. Check OPENAI_BASE_URL; most addresses end with /v1.",
        "Không có máy chủ trò chuyện nào tại {url}. Hãy kiểm tra OPENAI_BASE_URL; phần lớn địa chỉ "
        "kết thúc bằng /v1.",
    ),
    "no_server_but": (
        "no_server",
        False,
        "There is no chat server at {url}, but there is one at {elsewhere}: set OPENAI_BASE_URL "
        "to that.",
        "Không có máy chủ trò chuyện nào tại {url}, nhưng có tại {elsewhere}: hãy đặt "
        "OPENAI_BASE_URL thành địa chỉ đó.",
    ),
    "other_endpoint": (
        "invalid_request",
        False,
        "The model “{model}” is not for chat completions, only for another interface of its server "
        "(Responses, completions). Choose another model.",
        "Mô hình “{model}” không dùng cho chat completions mà chỉ cho giao diện khác của máy chủ "
        "(Responses, completions). Hãy chọn mô hình khác.",
    ),
    "unverified": (
        "auth_error",
        False,
        "The model's server wants the organisation to be verified before “{model}” may be used. "
        "Verify it there, or choose another model.",
        "Máy chủ mô hình yêu cầu xác minh tổ chức trước khi dùng “{model}”. Hãy xác minh ở đó hoặc "
        "chọn mô hình khác.",
    ),
    "region": (
        "auth_error",
        False,
        "The model's server does not serve the region that this machine is in. Choose another "
        "server.",
        "Máy chủ mô hình không phục vụ khu vực của máy này. Hãy chọn máy chủ khác.",
    ),
    "forbidden": (
        "auth_error",
        False,
        "The model's server refuses access. Check what the key in OPENAI_API_KEY may do.",
        "Máy chủ mô hình từ chối truy cập. Hãy kiểm tra quyền của khóa trong OPENAI_API_KEY.",
    ),
    "auth_error": (
        "auth_error",
        False,
        "The model's server refused the key. Check OPENAI_API_KEY.",
        "Máy chủ mô hình từ chối khóa. Hãy kiểm tra OPENAI_API_KEY.",
    ),
    "invalid_request": (
        "invalid_request",
        False,
        "The model's server refused the request. Check the model and the options.",
        "Máy chủ mô hình từ chối yêu cầu. Hãy kiểm tra mô hình và các tùy chọn.",
    ),
    "unknown_model": (
        "invalid_request",
        False,
        "The model's server at {server} does not know the model “{model}”. "
        "Check OPENAI_MODEL and OPENAI_BASE_URL.",
        "Máy chủ mô hình tại {server} không biết mô hình “{model}”. "
        "Hãy kiểm tra OPENAI_MODEL và OPENAI_BASE_URL.",
    ),
    "context_too_long": (
        "context_too_long",
        False,
        "The question and its passages are too long for this model. Ask for fewer sources "
        "or start a new conversation.",
        "Câu hỏi cùng các đoạn trích quá dài với mô hình này. Hãy giảm số nguồn hoặc bắt "
        "đầu cuộc trò chuyện mới.",
    ),
    "network_error": (
        "network_error",
        True,
        "The model's server at {server} cannot be reached. Check the network and OPENAI_BASE_URL.",
        "Không kết nối được máy chủ mô hình tại {server}. Hãy kiểm tra mạng và OPENAI_BASE_URL.",
    ),
    "stream_interrupted": (
        "stream_interrupted",
        True,
        "The answer broke off: the model's server stopped sending. Ask again for a whole one.",
        "Câu trả lời bị ngắt giữa chừng: máy chủ mô hình ngừng gửi. Hãy hỏi lại để có câu trả lời "
        "đầy đủ.",
    ),
    "content_filtered": (
        "content_filtered",
        False,
        "The model server's filter refused the question or its passages. Ask in other words.",
        "Bộ lọc của máy chủ mô hình từ chối câu hỏi hoặc các đoạn trích. Hãy hỏi bằng cách khác.",
    ),
    "invalid_json": (
        "invalid_json",
        True,
        "The model's answer is not the JSON that was asked for ({reason}). Ask again, or choose "
        "another model.",
        "Câu trả lời của mô hình không phải JSON như đã yêu cầu ({reason}). Hãy hỏi lại hoặc chọn "
        "mô hình khác.",
    ),
    "empty_answer": (
        "empty_answer",
        True,
        "The model ended without a word. Ask again, or choose another model.",
        "Mô hình kết thúc mà không viết gì. Hãy hỏi lại hoặc chọn mô hình khác.",
    ),
    "only_thinking": (
        "empty_answer",
        True,
        "The model only thought and wrote no answer. Ask again, or choose another model.",
        "Mô hình chỉ suy nghĩ mà không viết câu trả lời. Hãy hỏi lại hoặc chọn mô hình khác.",
    ),
    "only_tools": (
        "empty_answer",
        True,
        "The model wished to call a tool instead of writing an answer, and there are no tools "
        "here. Ask again, or choose another model.",
        "Mô hình muốn gọi một công cụ thay vì viết câu trả lời, mà ở đây không có công cụ nào. Hãy "
        "hỏi lại hoặc chọn mô hình khác.",
    ),
    "empty_length": (
        "empty_answer",
        False,
        "The model met its length limit before the first word of an answer; one that thinks may "
        "have used it up by thinking. Allow more tokens, or choose another model.",
        "Mô hình đã chạm giới hạn độ dài trước khi viết chữ đầu tiên; mô hình biết suy nghĩ có thể "
        "đã dùng hết vào việc suy nghĩ. Hãy cho phép nhiều token hơn hoặc chọn mô hình khác.",
    ),
    "empty_filtered": (
        "content_filtered",
        False,
        "The model server's filter held back the whole answer. Ask in other words.",
        "Bộ lọc của máy chủ mô hình đã giữ lại toàn bộ câu trả lời. Hãy hỏi bằng cách khác.",
    ),
    "empty_other": (
        "empty_answer",
        True,
        "The model ended without a word; its server gives “{reason}” as the reason. Ask again, or "
        "choose another model.",
        "Mô hình kết thúc mà không viết gì; máy chủ của nó nêu lý do “{reason}”. Hãy hỏi lại hoặc "
        "chọn mô hình khác.",
    ),
}


def model_error(kind: str, detail: str = "", **named: object) -> ModelError:
    """The error of one kind; `detail` is what the server itself says, `named` what the words of the
    kinds may tell: `server`, `url`, `elsewhere`, `model`, `seconds`, `megabytes`, `reason`."""
    code, retryable, en, vi = _KINDS[kind]
    en, vi = en.format(**named), vi.format(**named)
    return ModelError(code, en, vi, retryable=retryable, detail=detail)
