"""The language a person asks in: by script, and between Latin languages by small words, letters and endings.

    language_of(text) -> str    ISO 639-1 code, "und" where nothing tells

1. Fenced code does not count. A few hundred characters from the start and the end are looked at.
2. Where scripts are mixed, Han, kana and Hangul weigh three Latin letters each (a character is about a syllable), so
   把这段话翻译成英文 before an English sentence is Chinese if it is not lost beside it.
3. Latin text has points for each language: for words of its small vocabulary, written with accents or without; for
   letters that few languages have; and for the endings of words that are in no vocabulary. What several languages
   share counts for each of them, but less.
4. English wins a draw: most prompts are English, and code has stray words of all languages. Without any point the
   answer is "und", never a guess: a rule for English should not take what is in a language that is not known here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Final

_HEAD: Final = 400
_TAIL: Final = 200

# Where each script begins and ends, in rising order.
_RANGES: Final = (
    (0x0041, 0x005A, "latin"),
    (0x0061, 0x007A, "latin"),
    (0x00C0, 0x024F, "latin"),
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "arabic"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0E00, 0x0E7F, "th"),
    (0x1100, 0x11FF, "ko"),
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "kana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7A3, "ko"),
)
_WEIGHT: Final = {"han": 3, "kana": 3, "ko": 3}

_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d_]+")

# Small words, question words, and what people tell an assistant to do. Accents are optional when these are looked up.
_SMALL_WORDS: Final = {
    "en": "the of and to in is it you that for what how on are with can i my me this do be write please translate"
    " summarize explain tell say give a an not from at by as or if but have has was were will would should could"
    " which who why where when there their they we he she him her his its our your am does did make need want help"
    " get find show fix use using about into than then more most less some any all one two three five ten first hello"
    " hi thanks thank good best better between without like new old list create rewrite shorter longer short long"
    " simple explained difference vs example word words sentence text email name names number numbers language"
    " english code bug error file string function sort test check convert add remove let know think don doesn isn t s"
    " up out so just only these those every each way today continue yes no ok okay safe easy fast quick after before"
    " again always never ever much many little big small high low great nice bad right wrong real true same other"
    " another both few several own such very too still already back down off over under through during while until"
    " because since though been being had done got getting going goes gone went made making take takes took come"
    " comes came see seen look looking looks said says talk talking told ask asking asked answer answers question"
    " questions work working works run running start stop keep put set call called used read line lines page people"
    " person man woman child world life home house school job money time times year years month week weeks day days"
    " night morning tomorrow yesterday minute minutes hour hours part parts place thing things something anything"
    " nothing everything someone everyone story letter title topic point points idea ideas reason reasons problem"
    " step steps plan change changes build compose draft describe discuss evaluate solve calculate compute design"
    " suggest recommend outline generate improve edit proofread summarise provide include following below above given"
    " next last second third half full top free open close cannot won wouldn couldn shouldn aren wasn haven hasn i'm"
    " ve ll re d m wanna gonna hey hiya sure maybe really actually feel feeling love hate hope understand mean means"
    " meaning itself myself yourself may might must shall why's let's here also even well else whether kind type"
    " types weird funny happy sad cool dry hot cold weather food cheap near buy sell",
    "es": "el la los las de que y en un una por para con es cómo qué está mi se del como puedo hola al lo más quiero"
    " me te su sus le les no si sí pero o ni este esta esto ese esa hay ser son fue tiene tengo cuál cuáles quién"
    " dónde cuándo cuánto cuántos cuánta porque gracias muchas buenos buenas días tardes noches favor escribe escríbeme"
    " explica explícame traduce resume haz hazme dame dime ayúdame necesito puedes podrías quisiera busca muy también"
    " entre sobre sin desde hasta cada todo todos mejor hacer hoy noche inglés español texto correo nombre nombres"
    " corrige arregla crea genera cuéntame cinco diez años código error estos estas nuestro algún alguna",
    "fr": "le la les des de et un une est que qui pour dans je vous comment avec ce pas sur bonjour mon quelle du au"
    " il elle nous tu on ne se sa son ses ma mes cette ces ou où mais si par plus moins sans sous aux être suis sont"
    " ont ai avez fait faire peux peut pouvez quel quels quelles quoi pourquoi combien quand merci beaucoup salut"
    " écris écrire explique expliquer traduis traduire résume donne donner moi toi aide besoin corrige trouve rédige"
    " entre comme très aussi tout tous toute y a c d j l qu s n t français anglais texte phrase phrases mots mot"
    " lettre jour soir matin bon bonne meilleur meilleure deux trois cinq voici dis raconte crée fais simplement"
    " chez vers leur leurs",
    "de": "der die das und ist nicht ein eine ich wie zu mit von für auf den was kann bitte mir es sind im einen"
    " dem des einem einer er sie wir ihr man auch noch nur aber oder wenn dass als an am aus bei nach um über unter vor"
    " durch ohne gegen zwischen zum zur vom beim hat haben habe hast bin bist war wird werden wurde kannst könnte"
    " könntest muss soll sollte gibt gib geht macht mach machen wer wo wann warum welche welcher welches wieviel viele"
    " viel mehr mein meine meinen meinem meiner dein deine diese dieser dieses diesen danke hallo guten tag schreib"
    " schreibe schreiben erkläre erklär übersetze übersetz fasse fass nenne finde zeige hilf hilfe brauche möchte will"
    " zwei drei fünf zehn gut sehr einfach kurz kürzer deutsch englisch text satz sätze wort fehler heute morgen"
    " immer wieder neu alle alles etwas dich mich uns euch sich so ja nein",
    "pt": "o os as de que e em um uma para com não é como você meu por está do da no na qual olá mais quero"
    " a ao aos às dos das nos nas num numa pelo pela eu ele ela nós eles me te se lhe minha meus minhas seu sua seus"
    " suas isso isto este esta esse essa aquele são foi ser tem tenho há pode posso poderia preciso gostaria quais quem"
    " onde quando quanto quantos porque porquê obrigado obrigada oi bom boa dia tarde noite escreva escreve explique"
    " explica traduza traduz resuma resume faça faz dê diga diz ajude ajuda corrija crie gere liste mas ou se sem sob"
    " sobre entre até desde muito muita também já só todos toda cada melhor fazer hoje inglês português texto frase"
    " frases nome nomes dois três cinco conta conte mim pra pro deixa mande sim",
    "it": "il lo gli di che e un una per con non è come sono mi della del le qual ciao questo nel la perché cosa"
    " i a al allo alla ai agli alle da dal dalla dei degli delle dello in nella nei nelle su sul sulla tra fra ma o se"
    " anche più meno molto io tu lui lei noi voi loro ho hai ha abbiamo hanno sei siamo c'è ci si ne mio mia miei tuo"
    " tua suo sua questa questi queste quello quella chi dove quando quanto quanti quale quali fammi dammi dimmi"
    " scrivi scrivere spiega spiegami traduci riassumi correggi trova crea fai fare posso puoi potresti vorrei devo"
    " serve bisogno aiuto aiutami grazie mille buongiorno buonasera salve inglese italiano testo frasi frase parole"
    " parola nome nomi due tre cinque oggi sera senza sempre ancora tutto tutti ogni modo c d l s elenca raccontami",
    "nl": "de het een en van is dat ik niet wat hoe te op voor met zijn je kan naar mijn hallo er ook maar"
    " in aan bij uit om over onder door tot tegen tussen zonder als dan of want dus die deze dit hij zij ze we wij jij"
    " jullie u mij me hem haar hun ons onze jouw uw was waren heb heeft hebben had kun kunt kunnen moet moeten mag wil"
    " wilt zal zou worden wordt doe doen ga gaat gaan maak maken geef geven schrijf schrijven leg uit vertaal vat samen"
    " vertel vind zoek help nodig bedankt dank wel goedemorgen goed beste beter wie waar wanneer waarom welke welk"
    " hoeveel veel meer minder nog al geen alle alles twee drie vijf kort korter makkelijk simpel nederlands engels"
    " tekst zinnen zin woord woorden vandaag vanavond steeds graag los los verbeter",
    "sv": "och att det en ett är jag som på för hur vad med inte av den till har kan du mig"
    " i om från vid under över mellan utan efter men eller så vi ni han hon de dem din ditt dina min mitt mina sin vår"
    " denna detta dessa vilken vilket vilka vem var när varför hej tack snälla skriv förklara översätt sammanfatta ge"
    " gör hitta visa hjälp berätta skapa rätta behöver vill ska skulle måste får finns blir är varit hade bra bättre"
    " bäst mycket många mer mindre något någon några alla allt två tre fem tio kort kortare enkelt engelska svenska"
    " texten meningar ord idag ikväll man också bara bort upp ner sig oss heter",
    "da": "og at det en et er jeg som på for hvordan hvad med ikke af den til har kan du mig"
    " i om fra ved under over mellem uden efter men eller så vi han hun de dem din dit dine min mit mine sin vores"
    " denne dette disse hvilken hvilket hvilke hvem hvor hvornår hvorfor hej tak venligst skriv forklar oversæt"
    " opsummer giv gør find vis hjælp fortæl lav ret omskriv brug behøver vil skal skulle må får bliver blev havde"
    " god godt bedre bedst meget mange mere mindre noget nogen nogle alle alt to tre fem ti kort kortere enkelt engelsk"
    " dansk teksten sætninger ord dag aften man også kun op ned sig os hedder der bruge",
    "pl": "i w z na do jest się nie to jak co że dla czy ja mi po od jakie proszę"
    " a o u ze we za przed nad pod przez bez przy między oraz ale lub albo bo więc gdy jeśli który która które którzy"
    " ten ta te tego tej tym tych mój moja moje twój jego jej ich nas was są był była było być będzie mam masz ma mają"
    " mogę może możesz można muszę chcę chciałbym potrzebuję jaki jaka kto kogo gdzie kiedy dlaczego ile ilu skąd"
    " cześć dzień dobry dziękuję dzięki napisz napisać wyjaśnij przetłumacz podaj pokaż popraw znajdź zrób stwórz"
    " pomóż powiedz opowiedz streść skróć bardzo dobrze lepiej więcej mniej tylko też jeszcze już dziś jeden dwa trzy"
    " pięć dziesięć angielski angielsku polsku tekst zdania zdaniach słowo słów krótko prosty prosto sobie",
    "cs": "a v na je se že to jak co pro s do ne jsem jaký prosím z ale mi"
    " i o u k ke ze ve za před nad pod přes bez při mezi nebo protože když jestli který která které ten ta tento tato"
    " toto té tom tím můj moje tvůj jeho její jejich nás vás jsou jsi byl byla bylo být bude mám máš má mají můžu může"
    " můžeš musím chci potřebuji potřebuju jaká jaké kdo koho kde kdy proč kolik odkud ahoj dobrý den děkuji díky"
    " napiš napsat vysvětli přelož přeložit uveď ukaž oprav najdi udělej vytvoř pomoz řekni shrň zkrať velmi dobře"
    " lépe více méně jen také ještě už dnes jeden dva tři pět deset anglicky angličtiny česky text věty větách slovo"
    " slov krátce jednoduše si něco mezi rozdíl",
    "tr": "ve bir bu için ne nasıl mi de çok ile var ben bana misin lütfen olan nedir"
    " da ki ama veya ya daha en gibi kadar sonra önce göre her şey şu o sen biz siz onlar benim senin onun bizim sana"
    " onu bunu şunu kim kimdir nerede nereye neresi neden niçin niye hangi kaç mı mu mü mısın musun müsün yok değil"
    " oldu olur olarak et eder yap yaz yazar anlat açıkla çevir özetle söyle ver göster bul düzelt öner oluştur yardım"
    " istiyorum lazım gerek gerekiyor merhaba selam teşekkürler teşekkür ederim günaydın iyi güzel hızlı kısa uzun"
    " basit basitçe iki üç beş on bugün akşam ingilizce ingilizceye türkçe metin metni cümle cümlede kelime arasındaki"
    " fark hakkında bazı tüm",
    "id": "dan yang di untuk dengan apa bagaimana saya ini itu dari ke tidak adalah bisa tolong pada"
    " aku kamu anda dia kami kita mereka nya atau tetapi tapi karena jika kalau agar supaya oleh dalam antara tentang"
    " seperti juga sudah belum akan telah sedang ada bukan jangan lebih paling sangat banyak sedikit semua setiap satu"
    " dua tiga lima sepuluh siapa kapan dimana mana kenapa mengapa berapa apakah bisakah halo hai terima kasih selamat"
    " pagi malam tulis tuliskan buat buatkan jelaskan terjemahkan ringkas beri berikan bantu perbaiki cari tunjukkan"
    " sebutkan ceritakan ganti butuh ingin mau harus cara baik bagus cepat pendek singkat mudah sederhana bahasa"
    " inggris indonesia teks kalimat kata nama hari baru lagi saja",
    "vi": "là và của cho tôi một không có những được làm thế nào bạn các này trong gì"
    " với ở từ đến về bởi vì nếu nhưng hoặc hay thì mà như khi để ra vào lên xuống lại rồi đã đang sẽ cũng rất nhiều ít"
    " hơn nhất tất cả mỗi hai ba bốn năm ai đâu sao bao nhiêu tại lâu mình em anh chị nó họ chúng ta xin chào cảm ơn"
    " viết giải thích dịch tóm tắt giúp hãy kể đưa tìm sửa tạo nói biết cần muốn phải nên thể cách tiếng việt câu văn"
    " bản từ ngắn dài đơn giản hôm nay tối sự khác nhau giữa đi",
    "fi": "ja on ei se että miten mikä minä voi mutta kun tai olen ovat"
    " en et emme ole oli olla olisi sinä hän me te he minun sinun hänen tämä tämän tätä nämä se sen sitä siitä joka"
    " jonka jotka jos kuin myös vain vielä nyt jo niin ettei mitä missä mistä mihin milloin miksi kuka kenen kuinka"
    " montako monta paljonko paljon hyvää hyvä hyvin hei moi terve kiitos kirjoita selitä käännä tiivistä kerro anna"
    " tee korjaa etsi näytä auta luo listaa voitko voisitko haluan tarvitsen pitää pitäisi kannattaa saa saisi sanoa"
    " enemmän vähemmän paras parempi yksi kaksi kolme viisi kymmenen lyhyt lyhyempi helppo nopeasti yksinkertaisesti"
    " suomeksi englanniksi teksti lause lauseeseen sana tänään illalla välillä eroa kanssa ilman",
    "hu": "a az és hogy nem egy is mi mit hogyan kell van meg kérem"
    " ez azt ezt ennek annak ezek de vagy ha mert mint csak már még most itt ott én te ő mi ti ők nekem neked engem"
    " magam ki kit kinek hol hova honnan mikor miért mennyi hány melyik milyen vagyok vannak volt lesz lehet legyen"
    " nincs tud tudsz tudna tudnál át szeretnék szeretném kellene szia sziasztok helló jó napot köszönöm köszi írj"
    " írd írni magyarázd fordítsd fordíts foglald adj add mondj mondd mutass keress javítsd segíts készíts csinálj"
    " mesélj sorolj nagyon sok több kevesebb jobb legjobb két kettő három öt tíz rövid rövidebb röviden egyszerűen"
    " magyarul angolra angolul szöveg szöveget mondat mondatban szó ma este között különbség ki fel le el össze",
    "ro": "și de la în un o este cu pe care nu ce cum pentru sunt mi te rog"
    " a al ai ale lui ei lor eu tu el ea noi voi ei mea meu mele tău ta său sa acest această acesta aceasta aceste"
    " acel dar sau dacă că să din prin fără între după până despre mai foarte mult multe puțin bine bun bună cel cea"
    " cei are am avem ai fost fi fie poate pot poți aș vreau nevoie trebuie cine unde când cât câți câte care salut"
    " ziua mulțumesc scrie explică tradu traduce rezumă dă fă spune arată ajută găsește corectează creează listează"
    " doi două trei cinci zece scurt simplu repede cum română engleză text textul propoziții fraze cuvinte cuvânt"
    " azi astăzi diseară vreun vreo niște toate se îmi îți mă",
}

# Letters that tell, by those who have them. Vietnamese has a whole block of its own besides.
_LETTERS: Final = {
    "ß": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt vi", "õ": "pt vi", "ç": "pt fr tr", "œ": "fr", "è": "fr it",
    "ê": "fr pt vi", "ë": "nl fr", "ï": "nl fr", "î": "fr ro", "ô": "fr pt vi", "û": "fr", "ù": "fr it vi",
    "à": "fr it pt vi", "ò": "it vi", "ì": "it vi", "â": "fr pt ro vi", "ä": "de sv fi", "å": "sv da", "æ": "da",
    "ø": "da", "ö": "de sv fi hu tr", "ü": "de tr hu", "ő": "hu", "ű": "hu", "ł": "pl", "ą": "pl", "ę": "pl",
    "ś": "pl", "ź": "pl", "ż": "pl", "ć": "pl", "ń": "pl", "ř": "cs", "ě": "cs", "ů": "cs", "č": "cs", "š": "cs",
    "ž": "cs", "ď": "cs", "ť": "cs", "ň": "cs", "ý": "cs vi", "ğ": "tr", "ı": "tr", "ş": "tr", "ă": "ro vi", "ș": "ro",
    "ț": "ro", "ţ": "ro", "đ": "vi", "ơ": "vi", "ư": "vi", "á": "es pt cs hu vi", "é": "fr es pt cs hu",
    "í": "es pt cs hu vi", "ó": "es pt pl hu vi", "ú": "es pt cs hu vi",
}  # fmt: skip
_VIETNAMESE: Final = re.compile("[\u1ea0-\u1ef9]")

# Endings of words that are in no list: two to four letters, without accents.
_ENDINGS: Final = {
    "en": "tion sion ing ness ment able ible less ful ed ly ous ize ship ould ight ough",
    "es": "cion sion dad ando iendo mente ado ada idad eza ero era ito ita illo aje ores ales ciones",
    "fr": "tion eux euse ment eau eaux ais ait aient ique ette isme eur eurs ez oir aire elle ille",
    "de": "ung ungen keit heit lich isch chen schaft ieren iert ste tet enn eln ern sch icht ach",
    "pt": "cao coes dade ando endo indo mente ado ada eiro eira inho inha agem ores ais eis oes ia",
    "it": "zione zioni ita ando endo mente ato ata are ere ire etto etta ezza ggio tta tto lla llo cchi",
    "nl": "ing heid lijk lijke isch tje tjes aar oek aat eel oon eken cht aan iek oor eur ijn ijd eren",
    "sv": "ning ning het lig liga isk arna erna orna ade ande ende skt igt tt or ar ck",
    "da": "ning hed lig lige isk erne ede ende else else ske gt sen ker ger",
    "pl": "owac nie cie ski ska skie ego emu ych ich ach ami owi sc osc czy rz cz sz acja anie enie",
    "cs": "ovat ni ski ska cky cka ho mu ych ich ach ami ost ace nost tel eho ku ka vat ovy ova",
    "tr": "lar ler mak mek yor dir nin nun lik luk siz ci cu den dan eri ari yi sin iyor tir ilir",
    "id": "kan nya lah an ang ng ung ing asi tan kah ngan aan",
    "vi": "nh ng uyen ong ung oi ai uoc ieu inh anh ach",
    "fi": "ssa sta lla lta lle ksi nen set tta uus ys aan een iin oon maan tyy lee vat mme tko",
    "hu": "ban ben nak nek sag seg val vel bol rol tol nal hez hoz let tam sz gy ok ek om em unk tas tes ni",
    "ro": "ului ilor tie tii eaza are ul uri esc este ati iti elor ea ind and tor",
}


# Words of programmers in every language: they make a text English only where nothing else tells.
_TECHNICAL: Final = (
    "api app bash class css csv def docker email excel git github html http https import java javascript json kotlin"
    " kubernetes linux markdown mysql node npm numpy pandas php pip postgres print python react regex rest rust self"
    " sql ssh tcp typescript udp unix url windows xml yaml"
)

# Languages that share a script with one other: letters and words that only one of the two has.
_OWN_LETTERS: Final = {"uk": "іїєґ", "ru": "ыэъё", "fa": "پچژگکی", "ar": "ةىإأك"}
_OWN_WORDS: Final = {
    "uk": "як що де коли хто чому чим це та або але не від привіт дякую будь ласка переклади виправ розкажи"
    " зроби мені мене швидко добре треба можна приклад",
    "ru": "как что где когда кто почему чем это и или но от привет спасибо пожалуйста переведи исправь расскажи"
    " сделай мне меня быстро хорошо нужно можно пример",
    "fa": "به از در با که این آن را است برای خوبی شما چه چند کجا بنویس ترجمه کن خیلی ممنون لطفا تو",
    "ar": "في على إلى عن ما هي هو هذا هذه كيف لماذا متى أين هل مرحبا شكرا اكتب ترجم اشرح لي يا أن لا كم جزيلا",
}


_STROKES: Final = {"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe"}
_PLAIN: Final = str.maketrans(
    {chr(code): unicodedata.normalize("NFD", chr(code))[0] for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))}
    | _STROKES
)


def _plain(word: str) -> str:
    """Without accents, as people type in a hurry."""
    return word.translate(_PLAIN)


_SPELLED: Final = {  # how they are written where the keyboard has no such letters
    "de": str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}),
    "da": str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"}),
}


Shares = tuple[tuple[str, int], ...]  # languages, and the points each of them has for a sign


def _by_sign(table: dict[str, str], worth: int) -> dict[str, Shares]:
    """Language -> signs, as sign -> what each language has of its points."""
    found: dict[str, list[str]] = {}
    for code, signs in table.items():
        for sign in sorted(set(signs.split())):
            found.setdefault(sign, []).append(code)
    return {sign: tuple((code, worth // len(codes)) for code in codes) for sign, codes in found.items()}


def _spelled() -> dict[str, str]:
    """The small words in every way that they are written."""
    found = {}
    for code, words in _SMALL_WORDS.items():
        forms = {form for word in words.split() for form in (word, _plain(word))}
        if code in _SPELLED:
            forms |= {word.translate(_SPELLED[code]) for word in words.split()}
        found[code] = forms
    return {code: " ".join(forms) for code, forms in found.items()}


# What a sign is worth, shared among those who have it. A word tells as much as a letter, and an ending little.
_POINTS: Final = 24
_ENDING_POINTS: Final = {2: 4, 3: 6, 4: 8}  # by its length
_ENOUGH: Final = 8  # less is nothing to go by

# A word of one letter tells little: code is full of them.
_BY_WORD: Final = {
    word: shares if len(word) > 1 else tuple((code, points // 6) for code, points in shares)
    for word, shares in _by_sign(_spelled(), _POINTS).items()
}
_BY_ENDING: Final = {
    ending: shares
    for length, worth in _ENDING_POINTS.items()
    for ending, shares in _by_sign(_ENDINGS, worth).items()
    if len(ending) == length
}
_BY_LETTER: Final = {
    letter: tuple((code, _POINTS // len(codes.split())) for code in codes.split()) for letter, codes in _LETTERS.items()
}
_TECHNICAL_WORDS: Final = frozenset(_TECHNICAL.split())
_OWN: Final = {code: (frozenset(_OWN_LETTERS[code]), frozenset(_OWN_WORDS[code].split())) for code in _OWN_LETTERS}


@lru_cache(4096)
def _script(character: str) -> str:
    code = ord(character)
    for first, last, script in _RANGES:
        if code <= last:
            return script if code >= first else ""
    return ""


def language_of(text: str) -> str:
    """The language the text is asked in, as an ISO 639-1 code; "und" where nothing tells."""
    if len(text) > 4 * (_HEAD + _TAIL):
        text = text[: 2 * _HEAD] + "\n" + text[-2 * _TAIL :]
    if "```" in text:
        text = _FENCE.sub(" ", text) or text
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + "\n" + text[-_TAIL:]
    if text.isascii():
        return _latin(text)
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        if script := _script(character):
            counts[script] += number * _WEIGHT.get(script, 1)
    if not counts:
        return "und"
    if counts["kana"] * 5 >= counts["han"]:  # Japanese is written with both
        counts["kana"] += counts.pop("han", 0)
    best = max(counts, key=lambda script: counts[script])
    return _LANGUAGES[best](text) if best in _LANGUAGES else best


def _latin(text: str) -> str:
    text = unicodedata.normalize("NFC", text.lower())
    points: Counter[str] = Counter()
    for word in set(_WORD.findall(text)):
        _add_word(points, word)
    if not text.isascii():
        for letter in set(text):
            _add(points, _BY_LETTER.get(letter, ()))
        if _VIETNAMESE.search(text):
            points["vi"] += _POINTS
    best = max(points, key=lambda code: points[code], default="und")
    if points[best] < _ENOUGH or points["en"] >= points[best]:
        return "en" if points["en"] else "und"
    return best


def _add_word(points: Counter[str], word: str) -> None:
    if (shares := _BY_WORD.get(word)) is not None:
        _add(points, shares)
    elif word in _TECHNICAL_WORDS:
        points["en"] += 1
    elif len(word) > 3:
        plain = word if word.isascii() else _plain(word)
        endings = (_BY_ENDING.get(plain[-length:]) for length in (4, 3, 2))
        _add(points, next(filter(None, endings), ()))


def _add(points: Counter[str], shares: Shares) -> None:
    for code, worth in shares:
        points[code] += worth


def _either(text: str, first: str, second: str) -> str:
    """Of two languages the one with more letters and words of its own in the text; the second if neither has more."""
    text = text.lower()
    letters, words = set(text), set(_WORD.findall(text))

    def points(code: str) -> int:
        own_letters, own_words = _OWN[code]
        return 2 * len(own_letters & letters) + len(own_words & words)

    return first if points(first) > points(second) else second


_LANGUAGES: Final = {
    "latin": _latin,
    "cyrillic": lambda text: _either(text, "uk", "ru"),
    "arabic": lambda text: _either(text, "fa", "ar"),
    "han": lambda text: "zh",
    "kana": lambda text: "ja",
}
