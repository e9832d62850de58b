"""The kinds of words that are said around a question, for rag.text.wrapping. Pure data.

They come from thinking of who asks whom, when, how and why, not from any one phrase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .language import detect, fold, has_diacritics, stem

# "a_b" is two words. Vietnamese may be typed without its marks, where a word with "!" is like too
# many others to cut at.
# After these what is asked may begin.
_TURNING_EN = """
    tell know knowing about whether ask explain wonder understand inform enlighten clarify show
    describe teach remind remember recall forget confirm answer say hear learn find figure
    look check see idk dunno clue idea lowdown curious question query enquire inquire enquiry
    inquiry
    request regard concern hey hi hello yo bro bruh dude man mate um uh hmm er erm well ok okay so
    like please pls plz
    kindly gimme listen google siri alexa bot assistant sorry anyway btw seriously honestly
"""
_TURNING_VI = """
    hỏi biết hiểu !rõ !nắm cần_nắm !nói giải_thích giải_đáp trả_lời hướng_dẫn trình_bày
    cho_biết thắc_mắc tò_mò băn_khoăn !tra kiểm_tra xem tìm_hiểu !nhớ !nhắc nhắc_lại !quên
    thông_tin câu_hỏi ơi alo ê dạ vâng thưa ủa !à !ừ ừm !ờ !đố giùm dùm !hộ giúp chỉ_giúp chỉ_cho
    chỉ_giáo chỉ_dẫn chia_sẻ làm_ơn tra_hộ tra_giúp nói_cho kể_cho nhắc_cho nói_xem đố_bạn
"""
# What is asked may end before these.
_ENDING_EN = """
    please pls plz thanks thank thx ty tysm tia tks cheers lol lmao haha hahaha xd someone somebody
    anyone anybody help bro bruh dude man mate mates huh eh though btw asap urgent urgently idk will
    i im ive we my before
"""
_ENDING_VI = """
    ạ á !à nhé nhá nha nhỉ hả hở !ha vậy !thế z v zậy dợ với vs đi !đấy !đó !ấy !ta luôn nghe !hộ
    giúp giùm dùm ad shop bot cảm_ơn cám_ơn !phát
    mà_em mà_tôi mà_mình mà_tớ mà_chưa mà_không !mà !nhưng ơi nè !hen hông !hong ae mng mn
"""
# What else stands in what is said around a question.
_AMONG_EN = """
    boss manager client customer colleague coworker teammate teacher professor lecturer wife husband
    son daughter mom mum dad mother father parent grandson granddaughter grandma grandpa grandfather
    grandmother friend buddy neighbour neighbor girlfriend boyfriend kid sister brother uncle aunt
    someone somebody anyone anybody everyone everybody nobody one folk guy people team sir madam
    dear lady gentleman old young expert all fellow
    want wanna need like love hope wish try happen get got give keep kept keeping send sent write
    wrote writing read search find found help appreciate thank thanks forgive apologize apologise
    apology excuse bother trouble disturb interrupt mind bug drive argue argument bet settle talk
    chat call speak mention believe think guess suppose feel stuck lost confuse struggle post lurk
    lurker poster catch come go going make made take put let seem appear come told tell oblige
    grateful glad able care share respond discuss refresh
    today yesterday tomorrow tonight morning afternoon evening night weekend now soon asap urgent
    urgently quick quickly fast minute second sec moment hour day week month age ages long time
    first last later lately recently already yet never always ever often sometimes previous earlier
    meet meeting deadline exam test quiz homework assignment class course school college essay
    presentation slide report project work job office email mail ticket message letter thread forum
    phone page site website internet web online document doc file text passage article context
    upload database knowledge source computer thing stuff bit lot matter topic subject point favor
    favour advice info information detail hint pointer memory head top sense god sake heaven
    brief briefly short simple simply easy easily word sentence line paragraph step example bullet
    citation cite quote reference summary plain term layman english vietnamese language follow using
    use used base accord accurate accurately exact exactly concise clear clearly professional
    good great nice kind helpful possible possibly new sure wrong right stupid dumb silly noob
    newbie beginner basic random weird real really actual actually basically literally maybe perhaps
    again still also even else instead much many little small single couple hard difficult crazy mad
    bad worry worries problem rush hurry free busy available totally completely absolutely pretty
    quite super bye goodbye ciao
    greetings regard regards rgds sincerely faithfully truly yours respectfully warm warmly best
    wishes bless luck forward reply response patience assistance attention
    m ve d ll re s t u ur im ive dont cant couldnt didnt doesnt isnt wont thats whats
"""
_AMONG_VI = """
    mình tôi em anh chị cháu con tớ tui tao t e mk chúng bọn bạn bác cô chú dì cậu mợ ông bà bố mẹ
    ba má vợ chồng sếp thầy ad admin bot shop mn mng mọi_người cả_nhà trợ_lý quý_vị quý cơ_quan
    giáo_viên giảng_viên cô_giáo thầy_giáo
    khách_hàng khách đồng_nghiệp đồng_chí người gái trai nhà già thằng bé nhỏ
    trẻ tụi ai_đó người_ta hội nhóm đứa lớp bà_con anh_em ae cao_nhân gia_đình bên
    muốn mong xin nhờ phiền làm_phiền gửi gọi nhắn viết đọc tìm học thi dùng dựa theo tài_liệu kể
    chỉ tư_vấn văn_bản đoạn_văn tệp tải nội_dung nguồn trích_dẫn bài bài_tập câu báo_cáo họp
    tổng_đài mạng google có_thể hãy vui_lòng giúp_đỡ hỗ_trợ đề_nghị yêu_cầu thử tiếng_việt tiếng_anh
    ngắn ngắn_gọn chi_tiết dễ_hiểu đơn_giản chính_xác rõ_ràng ví_dụ từng bước bắt_đầu mới thành_viên
    ý ý_kiến điều chuyện vụ vấn_đề mảng phần này
    đang gấp nhanh sớm mai hôm_nay hôm_qua hôm bữa nãy giờ hoài mãi lắm quá tí tý chút xíu một 1 ít
    vài nhiều lâu lúc nay tối sáng chiều tuần tuổi năm_nay ngày ngay đại ghê tự_nhiên nhân_tiện
    thật thực_sự hơi cũng chẳng chả hông hong khum ko k kh hok ngu lú rối khổ sợ lo sốt_ruột trời
    chịu bó_tay bí tịt mù mất nghĩ thấy tưởng kính kính_gửi kính_thưa chào xin_chào hi
    hello hey trân_trọng chân_thành đa_tạ đội_ơn hậu_tạ biết_ơn hồi_âm phản_hồi rep
    inbox ib cứu cíu hóng đáp lời giải xin_lỗi lỗi rảnh rành chỗ đây kia
    cãi_nhau cãi phân_xử hàng lại nhau cứ được trước
"""
# Between what is said and what is asked, after one of those that turn to it.
_BETWEEN_EN = "about if whether that as to on of me us him her them regarding concerning"
_BETWEEN_VI = """là rằng về xem cho việc thì giùm !hộ giúp dùm với mình tôi em !anh !chị cháu !con
    !bà !ông bác tui tớ t e luôn tí !chút ngay nhanh !nhưng !mà được ạ nhé nha hoài mãi"""
ENGLISH_ASKS = frozenset("what how why when where who which whose whom".split())
_ASKING_VI = """gì nào đâu sao ai mấy nhiêu bao_nhiêu bao_lâu thế_nào bao_giờ khi_nào tại_sao
    vì_sao"""


class Kinds(NamedTuple):
    """The words of each kind for one way of writing, without inflection; "a_b" is two words."""

    turns: frozenset[str]
    ends: frozenset[str]
    said: frozenset[str]  # both of these and all others
    between: frozenset[str]
    asks: frozenset[str]
    pairs: frozenset[str]
    marks: bool  # whether a capital within a sentence is a name's


def _kinds(take: Callable[[str, str], frozenset[str]], marks: bool) -> Kinds:
    turns, ends = take(_TURNING_EN, _TURNING_VI), take(_ENDING_EN, _ENDING_VI)
    vi = f"{_TURNING_VI} {_ENDING_VI} {_AMONG_VI}".replace("!", "")
    said = take(f"{_TURNING_EN} {_ENDING_EN} {_AMONG_EN}", vi)
    between = take(_BETWEEN_EN, _BETWEEN_VI)
    asks = ENGLISH_ASKS | take("", _ASKING_VI)
    pairs = frozenset(word for word in said | between | asks if "_" in word)
    return Kinds(turns, ends, said, between, asks, pairs, marks)


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


def _folded(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split() if word[0] != "!")


_EN = _kinds(lambda en, vi: _stems(en), False)
_VI = _kinds(lambda en, vi: _stems(en) | set(vi.replace("!", "").split()), True)
_VI_FOLDED = _kinds(lambda en, vi: _stems(en) | _folded(vi), True)


def kinds(question: str) -> Kinds:
    """Those for the way in which `question` is written."""
    if detect(question) == "en":
        return _EN
    return _VI if has_diacritics(question) else _VI_FOLDED
